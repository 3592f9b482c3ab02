"""Seconds of a forward pass, and the speed of networks timed in turn, on any device."""

import statistics
import time
from collections.abc import Mapping

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm

from stripe.interrupts import interrupts_allowed, interrupts_held


def forward_seconds(network: nn.Module, images: Tensor) -> float:
    """Return the seconds of one forward pass without gradients; on a GPU from CUDA events."""
    with interrupts_held(), torch.no_grad(), interrupts_allowed():
        if not images.is_cuda:
            started = time.perf_counter()
            network(images)
            return time.perf_counter() - started
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        network(images)
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
    """Measure networks beside the one called "bare"; see `fps_table`.

    Parameters
    ----------
    networks
        By name; they are put into evaluation and onto the device of the images.
    images
        A batch.
    rounds, progress
        As for `fps_table`.

    Returns
    -------
    DataFrame
        As from `fps_table`.
    """
    own: dict[str, list[float]] = {name: [] for name in networks}
    beside: dict[str, list[float]] = {name: [] for name in networks}  # the bare network's
    for network in networks.values():
        network.eval().to(images.device)
    for number in tqdm(range(rounds + 1), desc="rounds", disable=None if progress else True):
        for name, network in networks.items():
            pair = [(own[name], network), (beside[name], networks["bare"])]
            for times, each in pair if number % 2 else reversed(pair):
                passed = forward_seconds(each, images)
                if number:
                    times.append(passed)
    rows = [
        _row(name, network, images[:1], own[name], beside[name])
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
