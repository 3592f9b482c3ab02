"""Our published numbers of runs. A report can be made from them without the runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from stripe.errors import StripeError
from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.store.runs import RunState, StoredRun

_CELL = ("dataset", "backbone", "method", "setting")
#: The scores of a run, and the machine on which it was timed.
_Numbers = tuple[dict[str, dict[str, float]], str]


@dataclass(frozen=True)
class PublishedRun(StoredRun):
    """A run of which only the numbers are available.

    Parameters
    ----------
    published
        Numbers of the run, as in `StoredRun.scores`.
    timed_on
        The machine on which the run was timed, or "".
    """

    published: Mapping[str, Mapping[str, float]]
    timed_on: str

    @property
    def state(self) -> RunState:
        """Published runs are finished."""
        return "finished"

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """The numbers."""
        return {metric: dict(numbers) for metric, numbers in self.published.items()}

    @property
    def machine(self) -> str:
        """The machine on which the run was timed, or ""."""
        return self.timed_on


def runs_file(folder: Path, name: str) -> Path:
    """Return the file of an exhibit's numbers by run."""
    return folder / f"{name}-runs.csv"


def run_numbers(runs: Mapping[Cell, list[StoredRun]]) -> pd.DataFrame:
    """Return the numbers of finished runs.

    Returns
    -------
    DataFrame
        One row per cell, seed and metric: dataset, backbone, method, setting, in the paper's words;
        seed; run, the name of its directory; metric; a column for each number of
        `StoredRun.scores`; machine, the one on which the run was timed, or "".
    """
    rows: list[dict[str, Any]] = []
    for cell, of_cell in runs.items():
        words = {word: getattr(cell, word) for word in _CELL}
        for run in of_cell:
            if run.state == "finished":
                of_run = {**words, "seed": run.config.seed, "run": run.config.out.name}
                for metric, numbers in run.scores.items():
                    rows.append({**of_run, "metric": metric, **numbers, "machine": run.machine})
    return pd.DataFrame(rows)


def read_published(folder: Path, planned: Iterable[StoredRun]) -> dict[Path, PublishedRun]:
    """Return the published runs among the planned ones, by their directories.

    A run is identified by the name of its directory, a hash of its settings, so numbers of other
    settings are never used for it. The numbers of a run that several exhibits share may be in the
    file of any of these exhibits.

    Parameters
    ----------
    folder
        The folder of reports. If it has no numbers, the result is empty.
    planned
        Runs of an exhibit.

    Raises
    ------
    StripeError
        If a file is damaged.
    """
    known: dict[str, _Numbers] = {}
    for file in sorted(folder.glob(runs_file(Path(), "*").name)):
        known |= _by_address(file, file.stat().st_mtime_ns)
    return {
        run.config.out: PublishedRun(run.config, *known[run.config.out.name])
        for run in planned
        if run.config.out.name in known
    }


@lru_cache
def _by_address(file: Path, changed: int) -> dict[str, _Numbers]:
    """Return the numbers in a file by the names of runs. `changed` is the file's time of change."""
    try:
        table = pd.read_csv(file, keep_default_na=False, dtype=str)  # Python reads floats exactly
        columns = [
            c for c in table.columns if c not in (*_CELL, "seed", "run", "metric", "machine")
        ]
        found: dict[str, _Numbers] = {}
        for row in table.to_dict("records"):
            scores, _ = found.setdefault(row["run"], ({}, row["machine"]))
            scores[row["metric"]] = {column: float(row[column] or "nan") for column in columns}
    except (OSError, ValueError, KeyError) as error:
        raise StripeError(f"{file} is damaged: {error}; restore it from version control") from error
    return found
