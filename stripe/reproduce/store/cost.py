"""Estimate the durations of runs from those of finished runs."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from stripe.errors import StripeError
from stripe.files import drafted, read_regular
from stripe.reproduce.store.runs import StoredRun
from stripe.settings import Settings
from stripe.style.config import StyleConfig
from stripe.train import TrainConfig

#: Number of training images by data set. The data sets are not opened for the estimate.
TRAINING_IMAGES = {
    **{"fashion-mini": 7_000, "photo-patches": 7_000, "fashion_mnist": 60_000},
    **{"cifar10": 50_000, "cifar100": 50_000, "stl10": 5_000, "imagenet": 1_281_167},
}
#: Fields that determine the seconds per unit of work, by kind of settings: from those of very
#: similar runs to those of hardly comparable runs.
_ALIKE: dict[type[Settings], tuple[tuple[str, ...], ...]] = {
    TrainConfig: (
        ("backbone", "dataset", "precision", "attention", "asr", "copies", "record", "noise"),
        ("backbone", "dataset", "precision", "attention"),
        ("backbone", "precision"),
    ),
    StyleConfig: (("size", "width", "features", "variant"), ("size", "width", "features")),
}
#: The same for measurements.
_MEASUREMENTS = (("backbone", "image_size", "rounds", "attention"), ("backbone",), ())


@dataclass(frozen=True)
class Costs:
    """Estimated seconds of unfinished runs, each on one worker.

    Parameters
    ----------
    seconds
        Estimates, by directory, of unfinished runs with a similar finished run.
    unknown
        Number of unfinished runs without a similar finished run.
    """

    seconds: Mapping[Path, float]
    unknown: int

    @property
    def hours(self) -> float:
        """The sum of the estimates, in hours."""
        return sum(self.seconds.values()) / 3600

    def words(self, workers: int) -> str:
        """Describe the remaining work for a number of workers.

        Examples
        --------
        >>> Costs({Path("a"): 7200.0, Path("b"): 3600.0}, unknown=0).words(workers=2)
        '2 runs to do, about 1.5 hours with 2 workers'
        """
        known = len(self.seconds)
        spent = f"{self.hours / workers:.1f} hours with {_count(workers, 'worker')}"
        total = f"{_count(known + self.unknown, 'run')} to do"
        if not self.unknown:
            return f"{total}, about {spent}"
        if not known:
            return f"{total}; how long is not known, because no run like them is finished"
        return (
            f"{total}; {known} of them need about {spent}, and no run like the others is finished"
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def estimate(runs: Sequence[StoredRun]) -> Costs:
    """Estimate the seconds of unfinished runs from those of finished runs.

    The seconds are assumed to be proportional to the work: images of all epochs, steps of style
    transfer, or one measurement. This includes parts that do not grow with the work, such as the
    test after each epoch. The estimate is the median over similar runs, because a run that was
    paused, or shared its processor, may have taken many times as long as others.

    Parameters
    ----------
    runs
        Finished and unfinished runs. Runs with the same directory count once.
    """
    once = {run.config.out: run for run in runs}.values()
    rates: dict[tuple[Any, ...], list[float]] = {}
    waiting = []
    for run in once:
        if run.state != "finished":
            waiting.append(run)
        elif (spent := run_seconds(run)) is not None:
            for key in _keys(run.config):
                rates.setdefault(key, []).append(spent / work(run.config))
    seconds = {}
    for run in waiting:
        alike = [rates[key] for key in _keys(run.config) if key in rates]
        if alike:
            seconds[run.config.out] = median(alike[0]) * work(run.config)
    return Costs(seconds, unknown=len(waiting) - len(seconds))


def run_seconds(run: StoredRun) -> float | None:
    """Return the seconds of a finished run, over all its attempts; None if they are unknown."""
    file = _file(run)
    if file.exists():
        return _seconds_in(file)
    if isinstance(run.config, TrainConfig):  # an old store: training alone
        return float(run.history["seconds"].sum())
    return None


@contextmanager
def clocked(run: StoredRun) -> Iterator[None]:
    """Add the seconds within this context to the earlier seconds of a run."""
    before = _seconds_in(_file(run)) if _file(run).exists() else 0.0
    begin = time.monotonic()
    try:
        yield
    finally:
        with drafted(_file(run)) as draft:
            draft.write_text(f"{before + time.monotonic() - begin:.3f}\n")


def _file(run: StoredRun) -> Path:
    """Return the file with the seconds of a run, beside its directory."""
    return run.config.out.parent / f"{run.config.out.name}.seconds"


def _seconds_in(file: Path) -> float:
    try:
        return float(read_regular(file))
    except (OSError, ValueError) as error:
        raise StripeError(
            f"{file} must hold the seconds of a run ({error}); restore or remove it"
        ) from error


def _keys(config: Settings) -> list[tuple[Any, ...]]:
    """Return the properties that similar runs share, from the strictest to the loosest."""
    kind = type(config)
    return [
        (kind, *names, *(getattr(config, name, None) for name in names))
        for names in _ALIKE.get(kind, _MEASUREMENTS)
    ]


def work(config: Settings) -> float:
    """Return the work of a run: images of all epochs, steps of style transfer, or 1 measurement."""
    if isinstance(config, TrainConfig):
        all_images = TRAINING_IMAGES.get(config.dataset, config.limit or 1)
        return float(config.epochs * min(config.limit or all_images, all_images))
    return float(config.steps) if isinstance(config, StyleConfig) else 1.0
