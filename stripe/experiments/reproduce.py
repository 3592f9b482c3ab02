"""A table of the paper, reproduced: our mean and spread beside the paper's number."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from stripe.experiments.catalogue import Table
from stripe.experiments.cells import Cell
from stripe.experiments.runs import StoredRun, stored
from stripe.experiments.scales import Scale
from stripe.train import TrainConfig

#: Where runs are kept.
STORE = Path("runs/store")
#: Of the intervals of a claim.
CONFIDENCE = 0.95
#: From the paper's metrics to the columns of a log.
_COLUMNS = {"top1": "test_accuracy", "top5": "test_top5"}


@dataclass(frozen=True)
class Reproduction:
    """A table at a scale, as far as its runs are done.

    Parameters
    ----------
    table, scale
        What is reproduced, and how.
    runs
        By cell, one per seed; none where the scale has no stand-in. Cells that are the same run at
        this scale are there once, the first of them.
    """

    table: Table
    scale: Scale
    runs: dict[Cell, list[StoredRun]]

    @property
    def heading(self) -> str:
        """What the numbers are, and at which scale."""
        name = f"Table {self.table.name.removeprefix('table')}"
        return f"{name}, {self.table.title}; scale {self.scale.name}: {self.scale.words}"

    def numbers(self) -> pd.DataFrame:
        """Return one row per cell and metric.

        Returns
        -------
        DataFrame
            dataset, backbone, method, setting, in the paper's words; trained, the network and data
            that stand in for them; metric; last, best and last_ten, the means over
            seeds, in percent; std, of last (of n - 1); n, finished runs; failed, runs; paper, the
            paper's number, and paper_std, where it gives one; difference, last minus paper. What
            is missing is NaN.
        """
        rows = []
        for cell, runs in self.runs.items():
            finished = [run.history for run in runs if run.state == "finished"]
            for metric, column in _COLUMNS.items():
                if metric not in cell.paper:
                    continue
                scores = 100 * np.array([
                    (log[column].iloc[-1], log[column].max(), log[column].tail(10).mean())
                    for log in finished
                ]).reshape(-1, 3)  # fmt: skip
                last, best, last_ten = scores.mean(0) if len(scores) else np.full(3, np.nan)
                rows.append({
                    "dataset": cell.dataset, "backbone": cell.backbone, "method": cell.method,
                    "setting": cell.setting, "trained": _trained(runs), "metric": metric,
                    "last": last, "best": best, "last_ten": last_ten,
                    "std": scores[:, 0].std(ddof=1) if len(scores) > 1 else np.nan,
                    "n": len(scores),
                    "failed": sum(run.state == "failed" for run in runs),
                    "paper": cell.paper[metric],
                    "paper_std": cell.paper.get(f"{metric}_std", np.nan),
                    "difference": last - cell.paper[metric],
                })  # fmt: skip
        return pd.DataFrame(rows)

    def claims(self) -> pd.DataFrame:
        """Return one row per contrast of the table's claim, by the last top-1 accuracy.

        Returns
        -------
        DataFrame
            contrast; paper, in percentage points; mean, low and high: the paired difference over
            seeds and its 95 % interval by Student's t; n, seeds; holds: "yes" where the interval
            is above zero, "no" where it is below, else "undecided", and "missing" below two seeds.
        """
        rows = []
        for contrast in self.table.contrasts:
            if not all(cell in self.runs for cell in contrast.weights):
                continue
            by_cell = [_last_by_seed(self.runs[cell]) for cell in contrast.weights]
            seeds = sorted(set.intersection(*(set(found) for found in by_cell)))
            weights = np.array(list(contrast.weights.values()))
            sums = [100 * float(weights @ [found[s] for found in by_cell]) for s in seeds]
            printed = {c: p for c in self.runs for p in [c.paper.get("top1", np.nan)]}
            paper = float(weights @ [printed[cell] for cell in contrast.weights])
            rows.append({"contrast": contrast.label, "paper": paper, **_interval(sums)})
        return pd.DataFrame(rows)


def reproduction(
    table: Table,
    scale: Scale,
    *,
    store: Path = STORE,
    seeds: Sequence[int] | None = None,
    data_root: Path = TrainConfig.data_root,
) -> Reproduction:
    """Return a table at a scale, with the runs that it needs, done or not.

    Parameters
    ----------
    table, scale
        What, and at which size.
    store
        The folder of runs.
    seeds
        Of the trainings of each cell; by default as many as the scale says, from 0.
    data_root
        The folder that holds data sets.
    """
    chosen = range(scale.seeds) if seeds is None else seeds
    runs: dict[Cell, list[StoredRun]] = {}
    taken: set[Path] = set()
    for cell in table.cells:
        configs = [scale.config(cell, seed) for seed in chosen]
        of_cell = [
            stored(replace(config, data_root=data_root), store)
            for config in configs
            if config is not None
        ]
        if of_cell and of_cell[0].config.out not in taken:
            runs[cell] = of_cell
            taken.add(of_cell[0].config.out)
    return Reproduction(table, scale, runs)


def _trained(runs: Sequence[StoredRun]) -> str:
    return f"{runs[0].config.backbone} on {runs[0].config.dataset}"


def _last_by_seed(runs: Sequence[StoredRun]) -> dict[int, float]:
    """Return the last test accuracy of each finished run."""
    done = (run for run in runs if run.state == "finished")
    return {run.config.seed: float(run.history["test_accuracy"].iloc[-1]) for run in done}


def _interval(values: Sequence[float]) -> dict[str, object]:
    """Return the mean of paired differences, its interval, and what that says of a claim."""
    n = len(values)
    mean = float(np.mean(values)) if n else np.nan
    if n < 2:
        return {"mean": mean, "low": np.nan, "high": np.nan, "n": n, "holds": "missing"}
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    low, high = mean - half, mean + half
    holds = "yes" if low > 0 else "no" if high < 0 else "undecided"
    return {"mean": mean, "low": low, "high": high, "n": n, "holds": holds}
