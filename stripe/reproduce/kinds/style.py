"""Measure batch noise in style transfer, with finished style networks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from PIL import Image

from stripe import plots
from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.paper.exhibits import Kind, Results
from stripe.reproduce.paper.scale_rules import Scale
from stripe.reproduce.store.measurement import Measurement, kept_file
from stripe.reproduce.store.runs import address
from stripe.settings import Settings
from stripe.style.config import StyleConfig

PHOTOGRAPHS = 7
_PICTURES = ("photograph", "stylised")
#: A picture of a style network has at most this many pixels.
_MOST_PIXELS = 1 << 24
_NUMBERS = ("ssim", "high_frequency", "spread", "content", "style")


@dataclass(frozen=True, kw_only=True)
class Stylised(Measurement):
    """The pictures of a style network, compared with those of instance norm.

    Parameters
    ----------
    photographs
        Number of photographs. Default: all photographs in the packages.
    """

    LEAVES: ClassVar[tuple[str, ...]] = tuple(
        f"{title}-{number}.png" for title in _PICTURES for number in range(PHOTOGRAPHS)
    )

    photographs: int = PHOTOGRAPHS

    def measure(self) -> dict[str, float]:
        """Return the means over photographs of `Comparison.numbers`, and write the pictures."""
        from stripe.style import compare, open_style
        from stripe.style.drawing import write_picture

        opened = [open_style(run, device=self.device) for run in self.runs]
        runs = {str(run.config.variant): run for run in opened}
        shown = opened[-1].config.variant
        found = compare(
            runs,
            photographs=self.photographs,
            batch_sizes=(opened[0].config.batch_size,),
            seed=self.seed,
            progress=False,
        )
        pictures = (found.photographs, found.stylised[shown])
        for title, images in zip(_PICTURES, pictures, strict=True):
            for number, image in enumerate(images):
                file = self.out / f"{title}-{number}.png"
                write_picture(image, file, shown, found.features)
        rows = found.numbers[found.numbers["variant"] == shown]
        return {name: float(rows[name].mean()) for name in _NUMBERS}


@dataclass(frozen=True)
class StylePictures(Kind):
    """Draw stylised photographs, and measure batch noise in them (Figures 5 and 19 to 21).

    Parameters
    ----------
    photographs
        Indices of the photographs in the picture. The measured numbers are means over all
        photographs.
    """

    metrics: ClassVar[Mapping[str, str]] = {
        "ssim": "structural similarity with instance norm's picture",
        "high_frequency": "fine detail, relative to instance norm's picture",
        "spread": "std of a pixel over random batch mates",
        "content": "loss",
        "style": "loss",
    }

    photographs: tuple[int, ...]

    def planned(self, scale: Scale, cell: Cell, seed: int) -> list[Settings]:
        """Return the training of a variant and of instance norm, and their comparison."""
        variants = dict.fromkeys(("in", cell.method.lower()))
        configs: list[Settings] = [scale.style(variant, seed) for variant in variants]
        return [*configs, Stylised(of=tuple(address(config) for config in configs), seed=seed)]

    def stand_in(self, config: StyleConfig) -> str:
        """Return the width of the network."""
        return f"{config.width} channels"

    def words(self, scale: Scale) -> str:
        """Describe the training of the style networks."""
        config = scale.style("in", 0)
        return (
            f"{config.steps} steps at {config.size} x {config.size}, features "
            f"{config.features}; means of {PHOTOGRAPHS} photographs"
        )

    def draw(self, results: Results) -> Axes | None:
        """Draw the photographs, and the results of each finished variant of the first seed."""
        columns: dict[str, list[Any]] = {}
        for run, cell in zip(results.first_finished(), results.finished_cells(), strict=True):
            for title, name in zip(("photograph", cell.method), _PICTURES, strict=True):
                files = [run.config.out / f"{name}-{number}.png" for number in self.photographs]
                columns.setdefault(title, [_picture(file) for file in files])
        return plots.style_grid(columns) if columns else None


def _picture(file: Path) -> UInt8[np.ndarray, "h w 3"]:
    """Read a picture. Raise an error if it is larger than any picture of a style network."""
    with kept_file(file) as opened, Image.open(opened, formats=("PNG",)) as image:
        if image.width * image.height > _MOST_PIXELS:
            raise ValueError(f"it has {image.width} x {image.height} pixels")
        return np.asarray(image.convert("RGB"))
