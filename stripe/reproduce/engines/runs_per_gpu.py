"""The number of training runs that share a GPU, from an earlier or a new measurement."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stripe.errors import StripeError
from stripe.files import parse_json, read_regular, write_json
from stripe.reproduce.engines.together import best, rates
from stripe.train.device import hardware, resolve_device

#: Files of measurements: that of `make gpu`, and that of earlier calls, which `chosen` writes.
MEASURED = (Path("benchmarks/results/gpu/together.json"), Path("runs/runs_per_gpu.json"))


def runs_per_gpu(device: str) -> int:
    """Return the number of simultaneous training runs on a GPU with the most images per second.

    Parameters
    ----------
    device
        "auto", "cuda" or "cuda:1".

    Raises
    ------
    StripeError
        If the device is not a GPU, or a process of the measurement fails.
    """
    resolved = resolve_device(device)
    if resolved.type != "cuda":
        raise StripeError(
            f"--runs-per-gpu auto needs a measurement on a GPU, and the device {device} has none "
            "here; leave it out, or give --workers"
        )
    return chosen(hardware(resolved), lambda: rates(str(resolved)))


def chosen(
    card: str, measure: Callable[[], dict[int, float]], files: Sequence[Path] = MEASURED
) -> int:
    """Return the best number from the first file for this GPU, or from a new measurement.

    Parameters
    ----------
    card
        Name of the GPU.
    measure
        Function that returns images per second by number of processes.
    files
        Files of measurements. A new measurement is written to the last one.

    Raises
    ------
    StripeError
        If a file cannot be read as JSON.
    """
    for file in files:
        if file.exists() and (found := _best_in(file, card)) is not None:
            return found
    measured = measure()
    files[-1].parent.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"hardware": card, "rehearsal": False, "done": True}
    write_json(files[-1], {**result, "images_per_s_in_all": measured, "best": best(measured)})
    return best(measured)


def _best_in(file: Path, card: str) -> int | None:
    """Return the number in a file; None for another GPU, a rehearsal or an unfinished file."""
    try:
        found = parse_json(read_regular(file))
        same = found["done"] and not found["rehearsal"] and found["hardware"] == card
        return int(found["best"]) if same else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StripeError(
            f"{file} must hold a measurement of runs per GPU ({error}); remove it, or give "
            "--runs-per-gpu a number"
        ) from error
