"""What benchmarks share: interleaved rounds, medians, and a result file that names the hardware."""

import json
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from stripe.data import ImageSet
from stripe.modules.timing import in_turns, seconds_of
from stripe.train.device import hardware
from stripe.versions import library_versions


def interleaved(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each way in each round; see `in_turns`."""
    return in_turns({name: partial(seconds_of, way) for name, way in ways.items()}, rounds)


def median_rates(seconds: Mapping[str, list[float]], n_images: int) -> dict[str, float]:
    """Return images per second of each way, from the median of its rounds."""
    return {name: n_images / statistics.median(times) for name, times in seconds.items()}


def random_images(count: int) -> ImageSet:
    """Return `count` colour images of 32 x 32 in 100 classes."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(100, (count,), generator=generator)
    classes = tuple(map(str, range(100)))
    return ImageSet("random/train", pixels, labels, classes, (0.5,) * 3, (0.25,) * 3)


def resident() -> float:
    """Return the resident memory of this process in MiB, as Linux says it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def earlier(name: str) -> dict[str, Any]:
    """Return `benchmarks/results/NAME.json` as an earlier run wrote it."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


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
