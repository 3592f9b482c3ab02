"""What benchmarks share: interleaved rounds, medians, and a result file that names the hardware."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from stripe.train.device import hardware
from stripe.versions import library_versions


def interleaved(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each way in each round; a first round warms up and is not counted.

    Every other round goes backwards, so that no way always follows the same one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items() if number % 2 else reversed(list(ways.items())):
            started = time.perf_counter()
            way()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def median_rates(seconds: Mapping[str, list[float]], images: int) -> dict[str, float]:
    """Return images per second of each way, from the median of its rounds."""
    return {name: images / statistics.median(times) for name, times in seconds.items()}


def resident() -> float:
    """Return the resident memory of this process in MiB, as Linux says it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def save(name: str, result: dict[str, Any], device: str = "cpu") -> None:
    """Write `benchmarks/results/NAME.json` and print it."""
    text = json.dumps(
        {"hardware": hardware(torch.device(device)), "versions": library_versions(), **result},
        indent=1,
    )
    path = Path(__file__).parent / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "\n")
    print(text)
