"""Measure how constant recorded gates are, and how soon they settle."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from typing import Any, ClassVar, Literal

import numpy as np
from matplotlib.axes import Axes

from stripe import plots
from stripe.recording import open_recording
from stripe.reproduce.kinds.measured import MeasuredTraining, trained_name
from stripe.reproduce.paper.exhibits import Results
from stripe.reproduce.paper.scale_rules import Scale
from stripe.reproduce.store.measurement import Measurement
from stripe.stats import channel_moments, common_images, stripe_index
from stripe.stats.difference import epoch_steps
from stripe.train import TrainConfig

#: "Most of the attention values almost converge at the first learning rate decay (30 epochs)",
#: Appendix F, of 164.
SETTLES_AT = 30 / 164


@dataclass(frozen=True, kw_only=True)
class GateNumbers(Measurement):
    """Stripe index and settling of all gates of a recorded training.

    Parameters
    ----------
    settles_at
        Share of the training after which the paper considers gates as settled.
    still
        A step |v(t + 1) - v(t)| below this number counts as no change. Gates from a sigmoid lie in
        (0, 1).
    """

    settles_at: float = SETTLES_AT
    still: float = 0.01

    def measure(self) -> dict[str, float]:
        """Return the means over gates of eta2 and median_std, and the share of settled values."""
        recording = open_recording(self.runs[0] / "recording")
        last = stripe_index(channel_moments(recording, [recording.last_epoch]))
        begin = math.ceil(self.settles_at * recording.last_epoch)
        before = sum(epoch < begin for epoch in recording.epochs[:-1])
        images, settled, values = common_images(recording), 0, 0
        for gate in recording.header.channel_gates:
            steps = islice(epoch_steps(recording, gate.name, images), before, None)
            stays = reduce(np.logical_and, (step < self.still for step in steps))
            settled += int(stays.sum())
            values += stays.size
        return {
            "eta2": float(last["eta2"].mean()),
            "median_std": float(last["median_std"].mean()),
            "settled": settled / values,
        }


@dataclass(frozen=True)
class GatePictures(MeasuredTraining):
    """Measure and draw recorded gates (Figures 2, 11 to 18 and 22 to 28).

    Parameters
    ----------
    plot
        Name of the function in `stripe.plots`.
    settles_at
        As for `GateNumbers`.
    options
        Options of the plot.
    """

    records: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, str]] = {
        "eta2": "share of variance between channels, mean over gates",
        "median_std": "median over channels of the std over images, mean over gates",
        "settled": "share of values, of an image in a channel, that change by less than 0.01 in "
        "every epoch after the paper's settling epoch",
    }

    plot: Literal["overview", "epoch_difference", "stripes"]
    settles_at: float = SETTLES_AT
    options: dict[str, Any] = field(default_factory=dict)

    def measurement(
        self, scale: Scale, config: TrainConfig, of: tuple[str, ...], seed: int
    ) -> GateNumbers:
        """Return the settings of the measurement of all gates."""
        return GateNumbers(of=of, settles_at=self.settles_at, seed=seed)

    def draw(self, results: Results) -> Axes | None:
        """Draw the deepest gate of the first seed."""
        for run, cell in zip(results.first_finished(), results.finished_cells(), strict=True):
            assert isinstance(run.config, GateNumbers)
            recording = open_recording(run.config.runs[0] / "recording")
            name = trained_name(results, cell)
            axes: Axes = getattr(plots, self.plot)(recording, names=[name], **self.options)
            return axes
        return None
