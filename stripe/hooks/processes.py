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
    """Return the rank and the number of processes in the default group of torch.distributed.

    Without a group, they are 0 and 1. Every process must call this function, because it creates a
    group for the barrier. The group uses gloo, whose barrier has a time limit and names the process
    that did not reach it.
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
