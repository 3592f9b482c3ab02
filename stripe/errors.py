"""Errors of `stripe`: each says what was expected, what was given, and how to fix the problem."""


class StripeError(Exception):
    """An error that the user can fix. The command line prints it as one line.

    Examples
    --------
    >>> try:
    ...     stripe.build("resnet20", attention="sse")
    ... except stripe.StripeError as error:
    ...     message = str(error)
    >>> message.partition(";")[0]
    "unknown attention module 'sse'"
    """


class UnknownNameError(StripeError):
    """A name that is not in the registry, model or recording. The message lists the known names."""


class ModelError(StripeError):
    """A model, a site or a size that does not support the operation."""


class NoBatchError(ModelError):
    """A loader that gives no batch."""

    def __init__(self) -> None:
        super().__init__(
            "a loader must give at least one batch, got none; a generator gives its batches only "
            "once, so give a list of batches or a DataLoader"
        )


class DataError(StripeError):
    """A data set that is missing, damaged or of the wrong form."""


class RecordingError(StripeError):
    """A recording that cannot be written or read. The message names the file."""
