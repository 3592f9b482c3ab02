"""The explorer of recordings: one page for Jupyter, a browser or a file."""

from stripe.explorer.explorer import Explorer as Explorer
from stripe.explorer.explorer import explore as explore
