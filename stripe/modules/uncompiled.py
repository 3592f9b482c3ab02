"""Run compiled networks uncompiled, from several places and threads at once."""

from contextlib import ExitStack
from threading import Lock

import torch

_LOCK = Lock()
_STANCE = ExitStack()
_entered = 0


class uncompiled:  # noqa: N801  # used like a function, as torch.no_grad is
    """Run compiled networks uncompiled while at least one of these contexts is open.

    The contexts may end in any order, and in other threads. `torch.compiler.set_stance` restores
    the setting that it found. If two of its contexts overlapped and the first ended first, the
    second would leave every network uncompiled. This context is a class, because a copy of a model
    with hooks also copies the open contexts that the hooks hold, and a generator cannot be copied.

    Examples
    --------
    >>> from stripe.modules.uncompiled import uncompiled
    >>> with uncompiled():
    ...     scores = model(images)
    """

    def __enter__(self) -> "uncompiled":
        """Run uncompiled from now on."""
        global _entered  # the stance of torch is one for the process
        with _LOCK:
            if not _entered:
                _STANCE.enter_context(torch.compiler.set_stance("force_eager"))
            _entered += 1
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the stance of torch, if no other context is open."""
        global _entered
        with _LOCK:
            _entered -= 1
            if not _entered:
                _STANCE.close()
