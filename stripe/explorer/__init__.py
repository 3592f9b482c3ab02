"""The explorer of recordings: one page for Jupyter, a browser or a file."""

from stripe.explorer.widget import Explorer as Explorer
from stripe.explorer.widget import explore as explore
