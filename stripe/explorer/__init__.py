"""The explorer of recordings: one page, in Jupyter, in a browser, and in a file."""

from stripe.explorer.widget import Explorer as Explorer
from stripe.explorer.widget import explore as explore
