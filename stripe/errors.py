"""The errors that `stripe` raises: each says what was expected, what came, and what to do."""


class StripeError(Exception):
    """Any error that the user can fix; the command line prints it as one line."""


class UnknownNameError(StripeError):
    """A name that no registry, model or recording holds; the message lists those that do."""


class ModelError(StripeError):
    """A model, a site or a size that does not support the operation."""


class DataError(StripeError):
    """A data set that is missing, damaged or of the wrong form."""


class RecordingError(StripeError):
    """A recording that cannot be written or read; the message names the file."""
