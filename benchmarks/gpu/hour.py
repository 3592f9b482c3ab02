"""The order of slices within a limit of time: the first that is not done and can go on."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

from benchmarks.gpu.slices import Setting, Slice

#: Minutes without which no slice begins.
LEAST = 2.0


def run_slices(
    slices: Sequence[Slice],
    setting: Setting,
    *,
    calls: int | None = None,
    total_minutes: float = math.inf,
    after: Callable[[Slice], None] = lambda one: None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run what is not done, in order; a slice that was stopped and got on is repeated first.

    Parameters
    ----------
    slices
        In the order of their value.
    setting
        Its `minutes` are the limit of a slice, which the end of all shortens.
    calls
        Slices of this call. Default: all.
    total_minutes
        Limit of all slices together; none begins in its last `LEAST` minutes.
    after
        Called with each slice that was done.
    clock
        Gives the time in seconds.
    """
    ends, tried = clock() + 60 * total_minutes, set()
    for number in count():
        one = next((s for s in slices if s.name not in tried and not s.is_done(setting)), None)
        minutes = (ends - clock()) / 60
        if one is None or number == calls or minutes < LEAST:
            return
        print(f"{one.name} ...", flush=True)
        done = one.run_limited(replace(setting, minutes=min(setting.minutes, minutes)))
        reason = "done" if done else f"not done ({one.why(setting)})"
        print(f"{one.name} {reason}: {setting.path(one.name)}", flush=True)
        if done:
            after(one)
        elif not setting.result(one.name).get("goes_on"):
            tried.add(one.name)
