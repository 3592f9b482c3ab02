"""Our published numbers of runs, from which a report can be made without the runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stripe.errors import StripeError
from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.store.runs import RunState, StoredRun

_CELL = ("dataset", "backbone", "method", "setting")
#: Published runs by cell and seed.
Published = dict[tuple[Cell, int], "PublishedRun"]


@dataclass(frozen=True)
class PublishedRun(StoredRun):
    """A run of which only the numbers are available.

    Parameters
    ----------
    published
        Numbers of the run, as in `StoredRun.scores`.
    timed_on
        The machine on which it was timed, or "".
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
        """The machine on which it was timed, or ""."""
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
        seed; run, its address in a store; metric; the numbers of `StoredRun.scores`, each a column;
        machine, where it was timed.
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


def read_published(folder: Path, name: str, planned: Mapping[Cell, list[StoredRun]]) -> Published:
    """Return the published runs among the planned ones.

    A run is identified by its address, so numbers of other settings are never used for it.

    Parameters
    ----------
    folder
        The folder of reports. If it has no numbers of the exhibit, the result is empty.
    name
        The exhibit's name.
    planned
        Runs of the exhibit, by cell.

    Raises
    ------
    StripeError
        If the file is damaged.
    """
    file = runs_file(folder, name)
    if not file.exists():
        return {}
    try:
        table = pd.read_csv(file, keep_default_na=False, dtype=str)  # Python reads floats exactly
        columns = [
            c for c in table.columns if c not in (*_CELL, "seed", "run", "metric", "machine")
        ]
        of_run: dict[tuple[Any, ...], tuple[dict[str, dict[str, float]], str]] = {}
        for row in table.to_dict("records"):
            key = (*(row[word] for word in _CELL), row["run"])
            scores, _ = of_run.setdefault(key, ({}, row["machine"]))
            scores[row["metric"]] = {column: float(row[column] or "nan") for column in columns}
    except (OSError, ValueError, KeyError) as error:
        raise StripeError(f"{file} is damaged: {error}; restore it from version control") from error
    found: Published = {}
    for cell, runs in planned.items():
        for run in runs:
            key = (*(getattr(cell, word) for word in _CELL), run.config.out.name)
            if key in of_run:
                found[cell, run.config.seed] = PublishedRun(run.config, *of_run[key])
    return found
