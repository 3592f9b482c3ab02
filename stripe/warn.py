"""Warnings that name the user's line."""

import sys
import warnings

#: Packages whose lines lie between the user's and ours; that of jaxtyping only in our tests.
_PASSED = ("stripe", "torch", "contextlib", "jaxtyping")


def warn(message: str) -> None:
    """Warn at the innermost line that is of none of the packages `_PASSED`.

    Python shows a warning once per line. If that were a line of this package, a second call of the
    user's would not be warned about.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _PASSED:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
