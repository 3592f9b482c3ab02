"""Measure spatial attention of a finished training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes

from stripe import plots
from stripe.errors import StripeError
from stripe.recording import open_recording
from stripe.reproduce.kinds.measured import MeasuredTraining, trained_name
from stripe.reproduce.kinds.sampled import SampledMeasurement
from stripe.reproduce.paper.exhibits import Results
from stripe.reproduce.paper.scale_rules import Scale
from stripe.settings import Settings
from stripe.stats import spatial_index, stripe_index
from stripe.train import TrainConfig
from stripe.train.run import CONFIG, read_config


@dataclass(frozen=True, kw_only=True)
class Spatial(SampledMeasurement):
    """A recording with the spatial maps of a trained network, and their stripe index."""

    LEAVES: ClassVar[tuple[str, ...]] = ("recording",)

    def measure(self) -> dict[str, float]:
        """Return the mean stripe index of spatial maps and of channel gates, and record both."""
        from stripe.hooks import record

        model, images = self.opened()
        epoch = read_config(self.runs[0] / CONFIG, TrainConfig).epochs
        out = self.out / "recording"
        record(model, images, out, epoch=epoch, spatial=True, progress=False)
        recording = open_recording(out)
        maps = float(spatial_index(recording)["eta2"].mean())
        gates = float(stripe_index(recording)["eta2"].mean())
        return {"eta2_map": maps, "eta2_gate": gates, "gate_above_map": gates - maps}


@dataclass(frozen=True)
class SpatialMaps(MeasuredTraining):
    """Measure and draw spatial attention (Figure 29)."""

    metrics: ClassVar[Mapping[str, str]] = {
        "eta2_map": "share of variance between positions, mean over spatial maps",
        "eta2_gate": "share of variance between channels, mean over gates",
        "gate_above_map": "eta2_gate - eta2_map",
    }

    def measurement(
        self, scale: Scale, config: TrainConfig, of: tuple[str, ...], seed: int
    ) -> Spatial:
        """Return the settings of the measurement of maps."""
        return Spatial(of=of, images=scale.n_images, seed=seed)

    def draw(self, results: Results) -> Axes | None:
        """Draw six images and their maps in five blocks, as in the paper, for the first seed."""
        for run, cell in zip(results.first_finished(), results.finished_cells(), strict=True):
            name = trained_name(results, cell)
            recording = open_recording(run.config.out / "recording")
            maps = [gate.name for gate in recording.header.gates if gate.kind == "spatial"]
            chosen = maps[:: max(1, len(maps) // 5)][:5]
            pictures = _pictures(run.config)
            return plots.spatial_attention(
                recording, names=[name], gates=chosen, n_images=6, pictures=pictures
            )
        return None


def _pictures(measured: Settings) -> np.ndarray | None:
    """Return the test images by index, (N, H, W, 3) or (N, H, W); None if they are missing."""
    from stripe.data import load_dataset  # this imports torch

    assert isinstance(measured, Spatial)
    trained = read_config(measured.runs[0] / CONFIG, TrainConfig)
    try:
        images = load_dataset(trained.dataset, "test", root=measured.data_root).images
    except StripeError:  # a folder that is on another machine, for example
        return None
    return images.permute(0, 2, 3, 1).squeeze(-1).numpy()
