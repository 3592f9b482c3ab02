"""Seconds of a forward pass, and the speed of networks timed in turn, on any device."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import TypeVar

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.feed import feed
from stripe.modules.progress import progress_bar

Name = TypeVar("Name", bound=Hashable)


def in_turns(
    ways: Mapping[Name, Callable[[], float]], rounds: int, *, progress: bool = False
) -> dict[Name, list[float]]:
    """Return the seconds that each of several functions takes in each round.

    A first round warms up and does not count. Every other round has the reverse order, so that no
    function always follows the same one. Slow periods of the machine affect all functions alike.

    Parameters
    ----------
    ways
        Mapping from names to functions, which do the work and return the seconds that it took.
    rounds
        Number of rounds that count.
    progress
        Show a progress bar.
    """
    seconds: dict[Name, list[float]] = {name: [] for name in ways}
    order = list(ways.items())
    with progress_bar(rounds + 1, "rounds", progress) as bar:
        for number in range(rounds + 1):
            for name, way in order if number % 2 else reversed(order):
                took = way()
                if number:
                    seconds[name].append(took)
            bar.update()
    return seconds


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds of a call, by the clock of the CPU."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def forward_seconds(network: nn.Module, images: Tensor) -> float:
    """Return the seconds of one forward pass without gradients, measured on a GPU by events."""
    with interrupts_held(), torch.no_grad(), interrupts_allowed():
        if not images.is_cuda:
            return seconds_of(lambda: feed(network, images))
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        feed(network, images)
        end.record()
        end.synchronize()
        milliseconds: float = start.elapsed_time(end)
        return milliseconds / 1000


def compare_speed(
    networks: Mapping[str, nn.Module],
    images: Float[Tensor, "b c h w"],
    *,
    rounds: int,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure the speed of networks, in turn with the network called "bare"; see `fps_table`.

    Parameters
    ----------
    networks
        Networks by name. They are put into evaluation mode, and onto the device of the images.
    images
        A batch.
    rounds, progress
        As for `fps_table`.

    Returns
    -------
    DataFrame
        As from `fps_table`.
    """
    for network in networks.values():
        network.eval().to(images.device)
    seconds = in_turns(
        {
            (name, side): partial(forward_seconds, one, images)
            for name, network in networks.items()
            for side, one in (("own", network), ("bare", networks["bare"]))
        },
        rounds,
        progress=progress,
    )
    rows = [
        _row(name, network, images[:1], seconds[name, "own"], seconds[name, "bare"])
        for name, network in networks.items()
    ]
    table = pd.DataFrame(rows)
    table["images_per_s"] *= len(images)
    return table


def _row(
    name: str, network: nn.Module, image: Tensor, own: list[float], beside: list[float]
) -> dict[str, object]:
    with FlopCounterMode(display=False) as counter:
        forward_seconds(network, image)
    ratios = [bare / gated for bare, gated in zip(beside, own, strict=True)]
    return {
        "network": name,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "flops": counter.get_total_flops(),
        "images_per_s": 1 / statistics.median(own),
        "ratio": statistics.median(ratios),
    }
