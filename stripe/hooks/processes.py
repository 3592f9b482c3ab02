"""Rank and number of the processes of torch.distributed that record, and their barrier."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from torch import distributed

from stripe.errors import RecordingError
from stripe.interrupts import interrupts_allowed
from stripe.recording.writer import alone

#: Time for which a process waits for the others at the end of an epoch.
TIMEOUT = timedelta(minutes=30)


class Rank(NamedTuple):
    """Which of how many processes this is, and how to wait for the others."""

    rank: int
    processes: int
    barrier: Callable[[], None]


def current_rank(timeout: timedelta = TIMEOUT) -> Rank:
    """Return this process's place in the default group, that of a single process without one.

    Every process must call it, since it makes a group of its own: over gloo, because a timed
    barrier that names the process that did not come is gloo's.
    """
    if not distributed.is_available() or not distributed.is_initialized():
        return Rank(0, 1, alone)
    group: Any = distributed.new_group(backend="gloo", timeout=timeout)

    def wait() -> None:
        try:
            with interrupts_allowed():  # it may wait for long
                distributed.monitored_barrier(group, timeout)
        except RuntimeError as error:
            raise RecordingError(
                f"the processes must all finish an epoch within {timeout} and one did not: "
                f"{str(error).splitlines()[0]}; the epoch is discarded"
            ) from error

    return Rank(distributed.get_rank(), distributed.get_world_size(), wait)
