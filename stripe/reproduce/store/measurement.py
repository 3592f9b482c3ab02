"""Measurements of finished runs or untrained networks, each in its own directory."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import ClassVar

from stripe.defaults import DATA_ROOT
from stripe.errors import StripeError
from stripe.files import drafted, read_regular, refuse_links, sha256
from stripe.settings import Settings
from stripe.train.manifest import MANIFEST, checked, digests_of, read_manifest, write_manifest
from stripe.train.run import CONFIG, WEIGHTS, open_run

#: File of a finished measurement: its numbers by metric.
MEASURED = "measured.json"
#: File in which a timed measurement names its hardware.
HARDWARE = "hardware.txt"


@dataclass(frozen=True, kw_only=True)
class Measurement(Settings):
    """Settings of a measurement.

    Parameters
    ----------
    of
        Names of the measured runs, which are in the same store.
    seed
        Seed of random numbers.
    device
        "auto", "cpu", "cuda" or "cuda:N". "auto" uses a GPU if there is one.
    data_root
        The folder that holds data sets.
    out
        Directory for its results.
    """

    INCIDENTAL: ClassVar[tuple[str, ...]] = ("device", "data_root", "out")
    #: Whether it measures times, and therefore needs the machine for itself.
    TIMED: ClassVar[bool] = False
    #: Further files that it writes into `out`.
    LEAVES: ClassVar[tuple[str, ...]] = ()

    of: tuple[str, ...] = ()
    seed: int = 0
    device: str = "auto"
    data_root: Path = DATA_ROOT
    out: Path = Path("runs/measurement")

    def __post_init__(self) -> None:
        self.check()

    @property
    def runs(self) -> list[Path]:
        """The directories of the measured runs."""
        return [self.out.parent / name for name in self.of]

    def awaited(self) -> list[Path]:
        """Return the directories of the measured runs that are not finished."""
        return [run for run in self.runs if not (run / WEIGHTS).exists()]

    def measure(self) -> dict[str, float]:
        """Return numbers by metric, and write other results into `out`."""
        raise NotImplementedError


def perform(measurement: Measurement) -> None:
    """Measure, and write the result. Files of an earlier attempt are replaced.

    Raises
    ------
    StripeError
        If a measured run is not finished, or the directory of the measurement holds other files.
    """
    if awaited := measurement.awaited():
        raise StripeError(f"a measurement of {awaited[0]} needs that run finished, and it is not")
    _clear(measurement)
    open_run(measurement, resume=False)
    numbers = measurement.measure()
    written = {metric: value if math.isfinite(value) else None for metric, value in numbers.items()}
    folder = measurement.out
    with drafted(folder / MEASURED) as draft:
        draft.write_text(json.dumps(written, indent=1) + "\n")
        digests = digests_of(folder, measurement.LEAVES) | (read_manifest(folder) or {})
        write_manifest(folder, {**digests, MEASURED: sha256(draft)})


@contextmanager
def kept_file(file: Path) -> Iterator[BytesIO]:
    """Read a further file of a measurement.

    Raises
    ------
    StripeError
        If the file was changed or removed, or if the `with` block raises an error while it reads
        the file.
    """
    try:
        yield BytesIO(read_regular(checked(file)))
    except StripeError:
        raise
    except Exception as error:  # decoders raise many types for a damaged file
        reason = (str(error).splitlines() or ["unreadable"])[0]
        raise StripeError(f"{file} is damaged: {reason}; remove its folder") from error


def _clear(measurement: Measurement) -> None:
    """Remove the files of an earlier attempt, by name. Other files stay."""
    ours = (*measurement.LEAVES, CONFIG, MANIFEST, MEASURED)
    paths = [measurement.out / f"{name}{end}" for name in ours for end in ("", ".draft")]
    refuse_links(measurement.out, *paths)
    for path in paths:
        path.unlink(missing_ok=True)
