"""Seconds of work on a device: CUDA events on a GPU, the clock of the CPU elsewhere."""

import statistics
from collections.abc import Callable, Mapping
from functools import partial

import torch

from stripe.modules.timing import in_turns, seconds_of


def seconds_on(device: str, work: Callable[[], object]) -> float:
    """Return the seconds between the begin and the end of some work."""
    if device != "cuda":
        return seconds_of(work)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    work()
    end.record()
    end.synchronize()
    milliseconds: float = start.elapsed_time(end)
    return milliseconds / 1000


def against(
    device: str, ways: Mapping[str, Callable[[], object]], *, base: str, rounds: int, images: int
) -> dict[str, dict[str, float]]:
    """Return images/s of each way, and the median over rounds of its time over that of `base`."""
    timed = {name: partial(seconds_on, device, way) for name, way in ways.items()}
    seconds = in_turns(timed, rounds)
    return {
        name: {
            "images_per_s": images / statistics.median(times),
            f"times_{base.replace(' ', '_')}": statistics.median(
                own / least for own, least in zip(times, seconds[base], strict=True)
            ),
        }
        for name, times in seconds.items()
    }
