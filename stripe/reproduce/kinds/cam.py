"""Measure average Grad-CAM maps of finished trainings."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from stripe import plots
from stripe.plots.axes import COLUMN_WIDTH
from stripe.reproduce.kinds.sampled import SampledMeasurement
from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.paper.exhibits import Kind, Results
from stripe.reproduce.paper.scale import Scale
from stripe.reproduce.store.runs import address
from stripe.settings import Settings
from stripe.train.manifest import checked

_FILE = "cam.npz"


@dataclass(frozen=True, kw_only=True)
class Cam(SampledMeasurement):
    """The mean Grad-CAM map of a network's last stage."""

    LEAVES: ClassVar[tuple[str, ...]] = (_FILE,)

    def measure(self) -> dict[str, float]:
        """Return the share of the map's mass in the central quarter, and keep the map."""
        from stripe.gradcam import mean_cam

        model, images = self.opened()
        stages = [name for name, _ in model.named_children() if name.startswith("layer")]
        cam = mean_cam(model, images, stages[-1], progress=False)
        cam.save(self.out / _FILE)
        return {"central_share": cam.central_share}


@dataclass(frozen=True)
class AverageCam(Kind):
    """Figure 4."""

    metrics: ClassVar[Mapping[str, str]] = {
        "central_share": "share of the map in the central quarter; 0.25 where it is uniform"
    }

    def planned(self, scale: Scale, cell: Cell, seed: int) -> list[Settings]:
        """Return a training, recorded as for other figures, and its measurement."""
        config = scale.recorded(cell, seed)
        if config is None:
            return []
        return [config, Cam(of=(address(config),), images=scale.n_images, seed=seed)]

    def draw(self, results: Results) -> Axes | None:
        """Draw the map of every network, of its first seed."""
        runs = results.first_finished()
        if not runs:
            return None
        rows = (len(runs) + 1) // 2
        figure, grid = plt.subplots(
            rows, 2, figsize=(COLUMN_WIDTH, 1.9 * rows), layout="constrained", squeeze=False
        )
        for ax in grid.flat[len(runs) :]:
            figure.delaxes(ax)
        for ax, run, cell in zip(grid.flat, runs, results.finished_cells(), strict=False):
            plots.mean_cam(_read(run.config.out / _FILE), ax=ax)
            ax.set_title(" ".join((cell.dataset, cell.backbone, cell.method)))
            ax.set_xlabel(f"{100 * run.scores['central_share']['mean']:.0f} % in the frame")
        first: Axes = grid.flat[0]
        return first


def _read(file: Any) -> SimpleNamespace:
    """Read a map as `plots.mean_cam` takes it, without what computed it."""
    with np.load(checked(file), allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in ("mean", "mean_image")}
        return SimpleNamespace(**found, central_share=float(arrays["central_share"]))
