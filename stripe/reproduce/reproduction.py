"""A reproduced table or figure: our mean and spread beside the paper's number."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd

from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.paper.exhibits import Contrast, Exhibit
from stripe.reproduce.paper.scale_rules import Scale
from stripe.reproduce.published import PublishedRun, read_published
from stripe.reproduce.store.runs import StoredRun, stored
from stripe.reproduce.verdict import interval
from stripe.train import TrainConfig

#: Where runs are kept.
STORE = Path("runs/store")


@dataclass(frozen=True)
class Reproduction:
    """An exhibit at a scale, with its runs, finished or not.

    Parameters
    ----------
    exhibit, scale
        The table or figure, and the scale at which it is reproduced.
    runs
        Runs by cell, one per seed. A cell without a stand-in at this scale has no entry. If several
        cells are the same run, only the first has an entry.
    first
        For each cell with a stand-in, its cell in `runs`: the cell itself, or the first cell with
        the same run.
    needed
        These runs and the runs that they need, except those with published numbers.
    stand_ins
        By cell, the network and data that replace the paper's.
    without
        Number of cells without a stand-in at this scale.
    """

    exhibit: Exhibit
    scale: Scale
    runs: dict[Cell, list[StoredRun]]
    first: dict[Cell, Cell]
    needed: list[StoredRun]
    stand_ins: dict[Cell, str]
    without: int

    @property
    def heading(self) -> str:
        """Title and scale of the numbers."""
        words = self.exhibit.kind.words(self.scale)
        return f"{self.exhibit.label}, {self.exhibit.title}; scale {self.scale.name}: {words}"

    @property
    def headings(self) -> tuple[str, str]:
        """A heading for a picture, without the description of the scale, and a shorter one."""
        scale = f"scale {self.scale.name}"
        return (
            f"{self.exhibit.label}, {self.exhibit.title}; {scale}",
            f"{self.exhibit.label}, {scale}",
        )

    @property
    def notes(self) -> str:
        """Remarks of the exhibit, the cells left out, and the machine of timings; or ""."""
        cells, shown, notes = len(self.exhibit.cells), len(self.runs), []
        if self.exhibit.remark:
            notes.append(self.exhibit.remark)
        if shown < cells:
            notes.append(
                f"{shown} of the paper's {cells} cells: {self.without} have no stand-in at this "
                f"scale, {cells - shown - self.without} are the same run as another."
            )
        machines = {run.machine for runs in self.runs.values() for run in runs} - {""}
        if machines:
            notes.append(f"Timed on {', '.join(sorted(machines))}.")
        return " ".join(notes)

    def finished_cells(self) -> list[Cell]:
        """Return the cells with a finished run in the store."""
        return [cell for cell, runs in self.runs.items() if any(map(_there, runs))]

    def first_finished(self) -> list[StoredRun]:
        """Return the first finished run of each of these cells."""
        return [next(filter(_there, self.runs[cell])) for cell in self.finished_cells()]

    def numbers(self) -> pd.DataFrame:
        """Return one row per cell and metric.

        Returns
        -------
        DataFrame
            dataset, backbone, method, setting, in the paper's words; trained, the network and data
            that replace them; metric; the means over seeds: last, best and last_ten in percent for
            a training, otherwise mean; std, the standard deviation of the first mean (division by n
            - 1), and best_std for a training; n, the number of finished runs; failed, the number of
            failed runs; paper and paper_std, if the paper gives them; difference, ours minus the
            paper's, except for metrics that depend on the machine. Missing values are NaN.

        Notes
        -----
        The difference of trainings compares best epochs, because the paper's accuracies are those
        of the best epoch. The four accuracies in the authors' repository are the maxima of the logs
        beside them, 0.3 to 0.8 above the last epochs.
        """
        kind, rows = self.exhibit.kind, []
        printed = any(cell.paper for cell in self.runs)
        for cell, runs in self.runs.items():
            finished = [run.scores for run in runs if run.state == "finished"]
            for metric in kind.metrics:
                if metric == "top5" and metric not in cell.paper:
                    continue
                of_metric = [found[metric] for found in finished if metric in found]
                scores = pd.DataFrame(of_metric, columns=list(kind.columns), dtype=float)
                row = {
                    "dataset": cell.dataset, "backbone": cell.backbone, "method": cell.method,
                    "setting": cell.setting, "trained": self.stand_ins[cell], "metric": metric,
                    **scores.mean(), "std": scores[kind.columns[0]].std(),
                    **({"best_std": scores["best"].std()} if "best" in scores else {}),
                    "n": len(scores), "failed": sum(run.state == "failed" for run in runs),
                }  # fmt: skip
                if printed:
                    paper = cell.paper.get(metric, np.nan)
                    row |= {"paper": paper, "paper_std": cell.paper.get(f"{metric}_std", np.nan)}
                    ours = np.nan if metric in kind.hardware_metrics else row[kind.printed]
                    row["difference"] = ours - paper
                rows.append(row)
        return pd.DataFrame(rows)

    def claims(self) -> pd.DataFrame:
        """Return one row per contrast of the claim, for trainings by the last epoch.

        Returns
        -------
        DataFrame
            contrast; metric; paper, if it gives the numbers; mean, low and high: the paired
            difference over seeds and its 95 % interval by Student's t, for accuracies in percentage
            points; n, the number of seeds; holds: "yes" if the interval is above zero, "no" if it
            is below, "undecided" otherwise; "one seed" or "missing" if there are not two.
        """
        tests = self.tested()
        table = pd.DataFrame([
            {"contrast": one.contrast.label, "metric": one.contrast.metric, "paper": one.paper,
             **interval(list(one.by_seed.values()))}
            for one in tests
        ])  # fmt: skip
        if tests and table["paper"].isna().all():  # a picture in the paper, without numbers
            return table.drop(columns="paper")
        return table

    def tested(self, column: str | None = None) -> list["Tested"]:
        """Return the contrasts of the claim that this scale can test, each once.

        If several contrasts of the paper are the same one of our runs, the paper's value is their
        mean.

        Parameters
        ----------
        column
            Number of a run, one of the `columns` of its kind. Default: the first, which is the last
            epoch of a training.
        """
        rows: dict[object, Tested] = {}
        printed: dict[object, list[float]] = defaultdict(list)
        for contrast in self.exhibit.contrasts:
            of_paper = self._present(contrast)
            weights = self._by_run(of_paper)
            same = (frozenset(weights.items()), contrast.metric, contrast.bound)
            if not weights:
                continue
            printed[same].append(self.printed(contrast, of_paper))
            if same in rows:
                continue
            found = [self._by_seed(cell, contrast.metric, column) for cell in weights]
            seeds = sorted(set.intersection(*(set(numbers) for numbers in found)))
            ours = {
                seed: _sum(weights, [numbers[seed] for numbers in found]) - contrast.bound
                for seed in seeds
            }
            rows[same] = Tested(contrast, np.nan, ours, tuple(weights))
        return [replace(one, paper=_mean(printed[same])) for same, one in rows.items()]

    def _present(self, contrast: Contrast) -> dict[Cell, float]:
        """Return the weights of a contrast; empty if one of its cells has no stand-in."""
        there = {cell: w for cell, w in contrast.weights.items() if cell in self.first}
        if contrast.average and there:
            share = sum(contrast.weights.values()) / sum(there.values())
            return {cell: share * weight for cell, weight in there.items()}
        return there if len(there) == len(contrast.weights) else {}

    def _by_run(self, weights: Mapping[Cell, float]) -> dict[Cell, float]:
        """Add up the weights of cells that are the same run, and drop those that cancel."""
        summed: dict[Cell, float] = {}
        for cell, weight in weights.items():
            summed[self.first[cell]] = summed.get(self.first[cell], 0.0) + weight
        return {cell: weight for cell, weight in summed.items() if weight}

    def printed(self, contrast: Contrast, weights: Mapping[Cell, float] | None = None) -> float:
        """Return the paper's value of a contrast minus the bound, or NaN if it gives none.

        Parameters
        ----------
        contrast
            A contrast of the exhibit.
        weights
            Weights of the cells. Default: the contrast's own.
        """
        weights = contrast.weights if weights is None else weights
        if contrast.paper is not None:
            return contrast.paper
        of_paper = {cell: cell.paper for cell in self.exhibit.cells}
        numbers = [of_paper[cell].get(contrast.metric, np.nan) for cell in weights]
        return _sum(weights, numbers) - contrast.bound

    def _by_seed(self, cell: Cell, metric: str, column: str | None) -> dict[int, float]:
        """Return one number of each finished run of a cell, by seed."""
        column = column or self.exhibit.kind.columns[0]
        done = (run for run in self.runs[cell] if run.state == "finished")
        return {r.config.seed: r.scores[metric][column] for r in done if metric in r.scores}


@dataclass(frozen=True)
class Tested:
    """A contrast of a claim with its numbers.

    Parameters
    ----------
    contrast
        The contrast.
    paper
        The paper's value minus the bound, or NaN if the paper gives none. If several contrasts of
        the paper are this contrast here, it is the mean of their values.
    by_seed
        Our value minus the bound, by seed.
    cells
        The cells whose runs are used.
    """

    contrast: Contrast
    paper: float
    by_seed: Mapping[int, float]
    cells: tuple[Cell, ...]


def reproduction(
    exhibit: Exhibit,
    scale: Scale,
    *,
    store: Path = STORE,
    seeds: Sequence[int] | None = None,
    data_root: Path = TrainConfig.data_root,
    published: Path | None = None,
) -> Reproduction:
    """Return an exhibit at a scale, with the runs that it needs, finished or not.

    Parameters
    ----------
    exhibit, scale
        The table or figure, and its scale.
    store
        The folder of runs.
    seeds
        Seeds of the trainings of each cell. Default: those of the scale, from 0.
    data_root
        The folder that holds data sets.
    published
        A folder of reports. Its published numbers are used for runs that are not in the store.
    """
    chains: dict[Cell, list[list[StoredRun]]] = {}  # of each seed, the run behind those it needs
    first: dict[Cell, Cell] = {}
    at: dict[Path, Cell] = {}
    stand_ins: dict[Cell, str] = {}
    without = 0
    for cell in exhibit.cells:
        chosen = exhibit.kind.seeds(scale, cell) if seeds is None else seeds
        planned = [exhibit.kind.planned(scale, cell, seed) for seed in chosen]
        if not all(planned):
            without += 1
            continue
        found = [[stored(one, store, data_root) for one in configs] for configs in planned]
        first[cell] = at.setdefault(found[0][-1].config.out, cell)
        if first[cell] == cell:
            chains[cell] = found
            stand_ins[cell] = exhibit.kind.stand_in(planned[0][0])
    if published is not None:
        chains = _with_published(chains, published)
    runs = {cell: [chain[-1] for chain in of_cell] for cell, of_cell in chains.items()}
    needed = {
        run.config.out: run
        for of_cell in chains.values()
        for chain in of_cell
        if not isinstance(chain[-1], PublishedRun)
        for run in chain
    }
    return Reproduction(exhibit, scale, runs, first, list(needed.values()), stand_ins, without)


def _with_published(
    chains: Mapping[Cell, list[list[StoredRun]]], folder: Path
) -> dict[Cell, list[list[StoredRun]]]:
    """Replace runs that are not finished in the store by those whose numbers are published."""
    ends = [chain[-1] for of_cell in chains.values() for chain in of_cell]
    found = read_published(folder, [run for run in ends if run.state != "finished"])

    def known(chain: list[StoredRun]) -> list[StoredRun]:
        there = found.get(chain[-1].config.out)
        return chain if there is None else [there]

    return {cell: [known(chain) for chain in of_cell] for cell, of_cell in chains.items()}


def _there(run: StoredRun) -> bool:
    """Return whether a run is finished and in the store. Only such runs can be drawn."""
    return run.state == "finished" and not isinstance(run, PublishedRun)


def _mean(numbers: Sequence[float]) -> float:
    """Return the mean of the known numbers; NaN if there are none."""
    known = [number for number in numbers if not math.isnan(number)]
    return fmean(known) if known else math.nan


def _sum(weights: Mapping[Cell, float], numbers: Sequence[float]) -> float:
    return float(np.array(list(weights.values())) @ np.array(numbers))
