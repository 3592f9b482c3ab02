"""Accuracy, size and speed together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import pandas as pd
from matplotlib.axes import Axes

from stripe import plots
from stripe.reproduce.kinds.measured import MeasuredTraining
from stripe.reproduce.kinds.speed import Timing, shape_of
from stripe.reproduce.paper.exhibits import Results
from stripe.reproduce.paper.scale_rules import Scale
from stripe.reproduce.store.runs import StoredRun
from stripe.train import TrainConfig
from stripe.train.run import read_config


@dataclass(frozen=True, kw_only=True)
class TimedTraining(Timing):
    """The accuracy of a training, and the speed and size of its network."""

    def measure(self) -> dict[str, float]:
        """Return two accuracies, in percent, and the numbers of `Timing`."""
        config = read_config(self.runs[0] / "config.json", TrainConfig)
        config = replace(config, out=self.runs[0])  # its present directory
        accuracy = StoredRun(config).scores["top1"]
        return {"top1": accuracy["last"], "best": accuracy["best"], **super().measure()}


class Tradeoff(MeasuredTraining):
    """Measure accuracy, size and speed of each network (Figure 3)."""

    hardware_metrics: ClassVar[Sequence[str]] = ("fps",)
    metrics: ClassVar[Mapping[str, str]] = {
        "top1": "test accuracy in percent, after the last epoch",
        "best": "test accuracy in percent, of the best epoch, which is what the paper prints",
        "params_millions": "millions",
        "fps": "images/s on this machine",
        "speed": "share of the bare network's, timed beside it",
    }

    def measurement(
        self, scale: Scale, config: TrainConfig, of: tuple[str, ...], seed: int
    ) -> TimedTraining:
        """Return the settings of the timing of the network."""
        return TimedTraining(
            of=of, backbone=config.backbone, attention=config.attention, asr=config.asr,
            **shape_of(config.dataset), batch_size=scale.timed_images, rounds=scale.rounds,
            seed=seed,
        )  # fmt: skip

    def draw(self, results: Results) -> Axes | None:
        """Draw the means over seeds, with the standard deviation of the accuracies."""
        numbers = results.numbers()
        numbers = numbers[numbers["n"] > 0]
        if numbers.empty:
            return None
        by_network = numbers.pivot_table(index="method", columns="metric", values="mean")
        accuracies = numbers[numbers["metric"] == "top1"].set_index("method").loc[by_network.index]
        table = pd.DataFrame({
            "network": ["bare" if method == "base" else method for method in by_network.index],
            "accuracy": by_network["top1"].to_numpy() / 100,
            "accuracy_std": accuracies["std"].to_numpy() / 100,
            "n": accuracies["n"].to_numpy(),
            "images_per_s": by_network["fps"].to_numpy(),
            "parameters": 1e6 * by_network["params_millions"].to_numpy(),
        })  # fmt: skip
        return plots.tradeoff(table, heading=", ".join(numbers["trained"].unique()))
