"""Errors of `stripe`: each says what was expected, what was given, and how to fix the problem."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any


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
    """A name that is not in the registry, model or recording, or a predicate that fits nothing.

    The message lists known names.
    """


class ModelError(StripeError):
    """A model, or a layer, gate, batch or constant for it, that does not support the operation."""


class NoBatchError(ModelError):
    """A loader that gives no batch."""

    def __init__(self) -> None:
        super().__init__(
            "a loader must give at least one batch, got none; a generator gives its batches only "
            "once, so give a list of batches or a DataLoader"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make the error in another process."""
        return type(self), ()


class UnknownOptionError(StripeError):
    """An option that a function does not have. The message names the nearest option, if any.

    Parameters
    ----------
    function
        The function that was called.
    option
        The unknown option.
    options
        The options that the function has.
    refused_by
        The function whose help lists the options: `function`, or the one that it passes them to.
    """

    def __init__(self, function: str, option: str, options: Sequence[str], refused_by: str) -> None:
        self.function, self.option, self.refused_by = function, option, refused_by
        self.options = list(options)
        near = get_close_matches(option, self.options, n=1)
        near = near or [name for name in self.options if name.startswith(option)]
        nearest = f"; the nearest is {near[0]}" if near else ""
        super().__init__(
            f"{function}: there is no option {option!r}{nearest}; help({refused_by}) lists options"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make the error in another process."""
        return type(self), (self.function, self.option, self.options, self.refused_by)


class DataError(StripeError):
    """A data set that is missing, damaged or of the wrong form."""


class RecordingError(StripeError):
    """A recording that cannot be written or read, or does not hold what is requested.

    If a file is damaged, the message names it.
    """
