"""Measure gates by depth, in trained and untrained networks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from stripe.defaults import FOLDS
from stripe.plots.axes import COLUMN_WIDTH
from stripe.recording import open_recording
from stripe.reproduce.kinds.measured import MeasuredTraining, trained_name
from stripe.reproduce.paper.exhibits import Results
from stripe.reproduce.paper.scale_rules import Scale
from stripe.reproduce.store.measurement import Measurement, kept_file
from stripe.stats import channel_moments, class_information, stripe_index
from stripe.train import TrainConfig

_TABLE = "gates.csv"


@dataclass(frozen=True, kw_only=True)
class GatesByDepth(Measurement):
    """Stripe index and class information of each gate of a recorded training.

    Parameters
    ----------
    folds
        Number of folds of the cross-validation. Classes with fewer images are left out.
    """

    LEAST: ClassVar[Mapping[str, float]] = {"folds": 2}
    LEAVES: ClassVar[tuple[str, ...]] = (_TABLE,)

    folds: int = FOLDS

    def measure(self) -> dict[str, float]:
        """Return means over gates and rank correlations, and write the numbers of each gate."""
        table = gates_by_depth(self.runs[0] / "recording", folds=self.folds, seed=self.seed)
        table.to_csv(self.out / _TABLE, index=False)
        ranks = table[["depth", "eta2", "class_accuracy"]].rank()

        def correlation(one: str, other: str) -> float:
            return float(ranks[one].corr(ranks[other]))

        return {
            "eta2_untrained": float(table["eta2_untrained"].mean()),
            "eta2_gained": float((table["eta2"] - table["eta2_untrained"]).mean()),
            "class_known": float((table["class_accuracy"] - table["chance"]).mean()),
            "eta2_by_depth": correlation("depth", "eta2"),
            "class_by_depth": correlation("depth", "class_accuracy"),
            "eta2_by_class": correlation("eta2", "class_accuracy"),
        }


def gates_by_depth(recording: Path, *, folds: int = FOLDS, seed: int = 0) -> pd.DataFrame:
    """Return one row per gate of a recorded training.

    Parameters
    ----------
    recording
        Path of a recording with labels, from before the training (epoch 0) to its end.
    folds, seed
        Number of folds and the seed of the cross-validation.

    Returns
    -------
    DataFrame
        depth (1 is the gate that is used first); gate; eta2, after the last epoch; eta2_untrained;
        class_accuracy, the accuracy (0 to 1) of a linear classifier with this gate alone; chance,
        the share of the most frequent class.
    """
    opened = open_recording(recording)
    first, last = opened.epochs[0], opened.last_epoch
    indices = stripe_index(channel_moments(opened, [first, last])).set_index(["epoch", "gate"])
    known = class_information(opened, folds=folds, seed=seed).set_index("gate")
    names = [gate.name for gate in opened.header.channel_gates]
    return pd.DataFrame({
        "depth": range(1, len(names) + 1),
        "gate": names,
        "eta2": [indices.loc[(last, name), "eta2"] for name in names],
        "eta2_untrained": [indices.loc[(first, name), "eta2"] for name in names],
        "class_accuracy": [known.loc[name, "accuracy"] for name in names],
        "chance": [known.loc[name, "chance"] for name in names],
    })  # fmt: skip


@dataclass(frozen=True)
class Depth(MeasuredTraining):
    """Measure stripe index and class information by depth, which the paper does not show."""

    records: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, str]] = {
        "eta2_untrained": "share of variance between channels before training, mean over gates",
        "eta2_gained": "eta2 after training minus before, mean over gates",
        "class_known": "accuracy (0 to 1) of a linear classifier that sees one gate alone, "
        "cross-validated, minus the share of the most frequent class, mean over gates",
        "eta2_by_depth": "rank correlation of eta2 with depth",
        "class_by_depth": "rank correlation of that accuracy with depth",
        "eta2_by_class": "rank correlation of eta2 with that accuracy",
    }

    def measurement(
        self, scale: Scale, config: TrainConfig, of: tuple[str, ...], seed: int
    ) -> GatesByDepth:
        """Return the settings of the measurement of all gates."""
        folds = min(5, max(2, scale.n_images // 50))
        return GatesByDepth(of=of, folds=folds, seed=seed)

    def draw(self, results: Results) -> Axes | None:
        """Draw eta2 and class information by depth, for the first seed of every network."""
        runs = results.first_finished()
        if not runs:
            return None
        _, (above, below) = plt.subplots(
            2, 1, figsize=(COLUMN_WIDTH, 3.6), layout="constrained", sharex=True
        )
        colors = sns.color_palette("colorblind", len(runs))
        for cell, run, color in zip(results.finished_cells(), runs, colors, strict=True):
            with kept_file(run.config.out / _TABLE) as file:
                table = pd.read_csv(file).set_index("depth")
            label = trained_name(results, cell)
            table["eta2"].plot(ax=above, color=color, lw=1, label=label)
            table["eta2_untrained"].plot(ax=above, color=color, lw=1, style=":", label="_untrained")
            table["class_accuracy"].plot(ax=below, color=color, lw=1)
            table["chance"].plot(ax=below, color=color, lw=1, style=":")
        above.set(ylabel="stripe index $\\eta^2$", ylim=(0, 1.02))
        above.set_title("trained; dotted: untrained", loc="left", fontsize="small")
        above.legend(frameon=False, fontsize="x-small")
        below.set(ylabel="share of images", xlabel="depth of the gate", ylim=(0, 1.02))
        below.set_title("class told by one gate; dotted: by chance", loc="left", fontsize="small")
        below.xaxis.get_major_locator().set_params(integer=True)
        first: Axes = above
        return first
