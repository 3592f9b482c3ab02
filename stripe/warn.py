"""Warnings that name the line of the user's code."""

import sys
import warnings

#: Packages whose lines lie between the user's and ours; that of jaxtyping only in our tests.
_PASSED = ("stripe", "torch", "contextlib", "jaxtyping")


def warn(message: str) -> None:
    """Warn at the innermost line of the call stack outside the packages in `_PASSED`.

    Python shows a warning once per line. If this were a line of this package, a second call from
    other code of the user would not warn.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _PASSED:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
