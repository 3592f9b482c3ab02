"""The order of runs: by seed, trainings before their measurements, timings last."""

import threading
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any

from stripe.modules.progress import progress_bar
from stripe.reproduce.store.cost import Costs
from stripe.reproduce.store.measurement import Measurement
from stripe.reproduce.store.runs import StoredRun
from stripe.train import TrainConfig


class Tally:
    """Counts the runs of a sweep on a progress bar: how many failed, and the time that is left.

    Parameters
    ----------
    bar
        Progress bar of tqdm.
    costs
        Estimates of the runs. A run without an estimate counts as the mean of the others.
    clock
        Function that returns the time in seconds.
    """

    def __init__(self, bar: Any, costs: Costs, clock: Callable[[], float] = time.monotonic) -> None:
        self._bar, self._failed, self._costs, self._clock = bar, 0, costs.seconds, clock
        self._mean = fmean(costs.seconds.values()) if costs.seconds else 1.0
        self._all = sum(costs.seconds.values()) + costs.unknown * self._mean
        self._done, self._begin = 0.0, clock()

    @property
    def hours_left(self) -> float:
        """Estimated hours until all runs are finished; it needs one counted run."""
        per_estimate = (self._clock() - self._begin) / self._done
        return (self._all - self._done) * per_estimate / 3600

    def count(self, run: StoredRun, *, well: bool) -> None:
        """Count one run that ended."""
        self._failed += not well
        self._done += self._costs.get(run.config.out, self._mean)
        self._bar.update()
        shown: dict[str, Any] = {"hours_left": f"{self.hours_left:.1f}"}
        if self._failed:
            shown["failed"] = self._failed
        self._bar.set_postfix(shown)


class Ready:
    """Give out runs in order, each as soon as the runs that it needs are finished.

    If a run ends without success, the runs that need it are skipped. Threads can share one object.

    Parameters
    ----------
    runs
        Runs, in the order in which they should begin.
    """

    def __init__(self, runs: Sequence[StoredRun]) -> None:
        self._waiting = list(runs)
        self._running = 0
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, *, wait: bool = True) -> StoredRun | None:
        """Return the next run that can begin, or None.

        Parameters
        ----------
        wait
            Wait for running runs, on which the rest may depend.
        """
        with self._changed:
            while True:
                run = next((run for run in self._waiting if is_ready(run)), None)
                if run is not None:
                    self._waiting.remove(run)
                    self._running += 1
                    return run
                if not (wait and self._waiting and self._running):
                    return None
                self._changed.wait()

    def ended(self) -> None:
        """Note that a run that was taken has ended."""
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Give out no more runs."""
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()


#: Function that executes runs as they become ready, timed ones one at a time.
Execute = Callable[[Ready, bool, Tally], None]


def run_in_order(
    runs: Sequence[StoredRun], execute: Execute, *, costs: Costs, progress: bool
) -> None:
    """Execute runs in order, timings last. Runs that need a run without success are skipped.

    Parameters
    ----------
    runs
        Runs from `unfinished`.
    execute
        Function of the runs, whether they are timed, and the tally.
    costs
        Estimates of these runs, for the progress bar.
    progress
        Show a progress bar.
    """
    with progress_bar(len(runs), "sweep", progress, unit=" runs", leave=True) as bar:
        tally = Tally(bar, costs)
        for timed, some in groupby(in_order(runs), key=is_timed):
            execute(Ready(list(some)), timed, tally)


def unfinished(runs: Sequence[StoredRun], *, retry: bool = True) -> list[StoredRun]:
    """Return the unfinished runs, each once; without `retry`, leave out those that failed."""
    done = ("finished",) if retry else ("finished", "failed")
    return list({run.config.out: run for run in runs if run.state not in done}.values())


def in_order(runs: Sequence[StoredRun]) -> list[StoredRun]:
    """Sort runs: for each seed, trainings and then their measurements; at the end, all timings.

    A training that starts from the weights of another comes after it. With this order, every
    exhibit has a number for each cell after the first seed, and a verdict after the second.
    """
    by_folder = {run.config.out: run for run in runs}

    def place(run: StoredRun) -> tuple[bool, int, bool, int]:
        seed = 0 if is_timed(run) else run.config.seed
        return is_timed(run), seed, isinstance(run.config, Measurement), before(run)

    def before(run: StoredRun) -> int:
        first = run.config.initial if isinstance(run.config, TrainConfig) else None
        return 1 + before(by_folder[first]) if first in by_folder else 0

    return sorted(runs, key=place)


def is_timed(run: StoredRun) -> bool:
    """Tell whether a run measures times, and therefore needs the machine for itself."""
    return isinstance(run.config, Measurement) and run.config.TIMED


def is_ready(run: StoredRun) -> bool:
    """Tell whether the runs that a run measures, or starts from, are finished."""
    return not run.awaited
