"""The explorer of a recording, in Jupyter."""

from stripe.explorer.widget import explore as explore
