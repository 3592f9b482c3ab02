"""The order of runs: by seed, trainings before their measurements, timings last."""

import time
from collections.abc import Callable, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any

from tqdm.auto import tqdm

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
        Estimates of the runs. One without an estimate counts as the mean of the others.
    clock
        Gives the time in seconds.
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


#: Function that executes runs in parallel or, if they are timed, one at a time.
Execute = Callable[[list[StoredRun], bool, Tally], None]


def run_in_stages(
    runs: Sequence[StoredRun], execute: Execute, *, costs: Costs, progress: bool
) -> None:
    """Execute runs stage by stage; those whose needs are not finished are left out.

    Parameters
    ----------
    runs
        From `unfinished`.
    execute
        Called with the runs of a stage that are ready, whether they are timed, and the tally.
    costs
        Estimates of these runs, for the progress bar.
    progress
        Show a progress bar.
    """
    with tqdm(total=len(runs), desc="sweep", unit=" runs", disable=not progress) as bar:
        tally = Tally(bar, costs)
        for stage in in_stages(runs):
            if ready := [run for run in stage if is_ready(run)]:
                execute(ready, is_timed(stage[0]), tally)


def unfinished(runs: Sequence[StoredRun], *, retry: bool = True) -> list[StoredRun]:
    """Return the runs that are not finished, each once; those that failed only to try again."""
    done = ("finished",) if retry else ("finished", "failed")
    return list({run.config.out: run for run in runs if run.state not in done}.values())


def in_stages(runs: Sequence[StoredRun]) -> list[list[StoredRun]]:
    """Return, for each seed, trainings, then the measurements of them; then all timings.

    A training that begins with the weights of another comes a stage after that one. So every
    exhibit has a number of each cell after the first seed, and a first verdict after the second.
    """
    by_folder = {run.config.out: run for run in runs}

    def stage(run: StoredRun) -> tuple[bool, int, bool, int]:
        seed = 0 if is_timed(run) else run.config.seed
        return is_timed(run), seed, isinstance(run.config, Measurement), before(run)

    def before(run: StoredRun) -> int:
        first = run.config.initial if isinstance(run.config, TrainConfig) else None
        return 1 + before(by_folder[first]) if first in by_folder else 0

    return [list(some) for _, some in groupby(sorted(runs, key=stage), key=stage)]


def is_timed(run: StoredRun) -> bool:
    """Tell whether a run takes times, and so wants the machine for itself."""
    return isinstance(run.config, Measurement) and run.config.TIMED


def is_ready(run: StoredRun) -> bool:
    """Tell whether the runs that a run measures, or begins with, are finished."""
    return not run.awaited
