"""Estimate the seconds of runs from those of finished ones."""

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

#: Training images of data sets, which are not opened for this.
TRAINING_IMAGES = {
    **{"fashion-mini": 7_000, "photo-patches": 7_000, "fashion_mnist": 60_000},
    **{"cifar10": 50_000, "cifar100": 50_000, "stl10": 5_000, "imagenet": 1_281_167},
}
#: By kind of settings, fields that decide the seconds per unit of work: from those of runs that
#: are alike in everything to those of runs that are hardly comparable.
_ALIKE: dict[type[Settings], tuple[tuple[str, ...], ...]] = {
    TrainConfig: (
        ("backbone", "dataset", "precision", "attention", "asr", "copies", "record", "noise"),
        ("backbone", "dataset", "precision", "attention"),
        ("backbone", "precision"),
    ),
    StyleConfig: (("size", "width", "features", "variant"), ("size", "width", "features")),
}
#: The same of measurements.
_MEASUREMENTS = (("backbone", "image_size", "rounds", "attention"), ("backbone",), ())


@dataclass(frozen=True)
class Costs:
    """Seconds of runs that are not finished, each on one worker.

    Parameters
    ----------
    seconds
        Estimates, by directory, of unfinished runs with a similar finished run.
    unknown
        How many runs are not finished and like no finished one.
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
    """Estimate what runs cost that are not finished, from those that are.

    Seconds are taken to be proportional to the work: images of all epochs, steps of style
    transfer, or one measurement. Parts that do not grow with it, such as the test after each
    epoch, are in the proportion too. The median over similar runs is taken, because a run that was
    paused, or shared its processor, may have taken many times as long as others.

    Parameters
    ----------
    runs
        Finished and others; those of one directory are one run.
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
    """Return how long a finished run took, over all its attempts; None where nothing says so."""
    file = _file(run)
    if file.exists():
        return _seconds_in(file)
    if isinstance(run.config, TrainConfig):  # of a store from before; training alone
        return float(run.history["seconds"].sum())
    return None


@contextmanager
def clocked(run: StoredRun) -> Iterator[None]:
    """Add the seconds within this context to those that a run has taken before."""
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
    """Return the properties by which runs are comparable, from the closest to the loosest."""
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
