"""Measure average Grad-CAM maps of finished trainings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from stripe import plots
from stripe.files import MOST_BYTES
from stripe.plots.axes import COLUMN_WIDTH
from stripe.plots.mean_cam import SCALE
from stripe.reproduce.kinds.measured import MeasuredTraining
from stripe.reproduce.kinds.sampled import SampledMeasurement
from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.paper.exhibits import Results
from stripe.reproduce.paper.scale_rules import Scale
from stripe.reproduce.store.measurement import kept_file
from stripe.train import TrainConfig

_FILE = "cam.npz"


@dataclass(frozen=True, kw_only=True)
class Cam(SampledMeasurement):
    """The mean Grad-CAM map of a network's last stage."""

    LEAVES: ClassVar[tuple[str, ...]] = (_FILE,)

    def measure(self) -> dict[str, float]:
        """Return the share of the map's mass in the central quarter, and write the map."""
        from stripe.gradcam import mean_cam

        model, images = self.opened()
        stages = [name for name, _ in model.named_children() if name.startswith("layer")]
        cam = mean_cam(model, images, stages[-1], progress=False)
        cam.save(self.out / _FILE)
        return {"central_share": cam.central_share}


@dataclass(frozen=True)
class AverageCam(MeasuredTraining):
    """Measure the average Grad-CAM map of each network (Figure 4)."""

    records: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, str]] = {
        "central_share": "share of the map in the central quarter; 0.25 where it is uniform"
    }

    def measurement(self, scale: Scale, config: TrainConfig, of: tuple[str, ...], seed: int) -> Cam:
        """Return the settings of the average over test images."""
        return Cam(of=of, images=scale.n_images, seed=seed)

    def draw(self, results: Results) -> Axes | None:
        """Draw the map of every network for its first seed, with one colour scale for all."""
        runs = results.first_finished()
        if not runs:
            return None
        maps = [_read(run.config.out / _FILE) for run in runs]
        scale = {"vmin": min(cam.mean.min() for cam in maps),
                 "vmax": max(cam.mean.max() for cam in maps)}  # fmt: skip
        rows = (len(maps) + 1) // 2
        figure, grid = plt.subplots(rows, 2, figsize=(COLUMN_WIDTH, 2.05 * rows), squeeze=False)
        figure.set_layout_engine("constrained", h_pad=0.08)
        for ax in grid.flat[len(maps) :]:
            figure.delaxes(ax)
        titles = [_title(results, cell) for cell in results.finished_cells()]
        for ax, cam, title in zip(grid.flat, maps, titles, strict=False):
            plots.mean_cam(cam, ax=ax, bar=False, **scale)
            ax.set_title(title, fontsize=plt.rcParams["xtick.labelsize"])
            ax.set_xlabel(f"{100 * cam.central_share:.0f} % in the frame\n(uniform: 25 %)")
        first: Axes = grid.flat[0]
        figure.colorbar(first.images[0], ax=grid, label=SCALE, aspect=30, fraction=0.05, pad=0.02)
        return first


def _title(results: Results, cell: Cell) -> str:
    """Return the trained network and data and, on a second line, those that they replace."""
    trained, wanted = results.stand_ins[cell], f"{cell.backbone} on {cell.dataset}"
    stands_for = f"\n(for {wanted})" if trained != wanted else ""
    return f"{cell.method}\n{trained}{stands_for}"


def _read(file: Path) -> SimpleNamespace:
    """Read the parts of a map that `plots.mean_cam` uses."""
    with kept_file(file) as opened, np.load(opened, allow_pickle=False) as arrays:
        unpacked = sum(entry.file_size for entry in arrays.zip.infolist())
        if unpacked > MOST_BYTES:
            raise ValueError(f"it unpacks to {unpacked} bytes")
        found = {name: arrays[name] for name in ("mean", "mean_image")}
        return SimpleNamespace(**found, central_share=float(arrays["central_share"]))
