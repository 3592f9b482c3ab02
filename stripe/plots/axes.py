"""Axes to draw on: a new figure of a column's width, and panels inside given axes."""

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from stripe.errors import StripeError

#: Inches: a column of a two-column paper.
COLUMN_WIDTH = 3.4
#: Points: the letters of figures in it.
PAPER_FONT_SIZE = 7

#: Of a heading that fit in a column of that width.
_LETTERS = 62

#: Side by side in a column.
MOST_PANELS = 8
#: Shares of the width: between two panels, and of all panels where a colour bar stands beside.
_GAP, _PANELS = 0.04, 0.88


def axes_or_new(ax: Axes | None, *, height: float = 1.9) -> Axes:
    """Return `ax`, or axes in a new figure, a column wide and `height` inches high in paper style.

    With larger letters the figure grows in proportion, so that nothing collides.
    """
    if ax is not None:
        return ax
    growth = plt.rcParams["font.size"] / PAPER_FONT_SIZE
    size = (growth * COLUMN_WIDTH, growth * height)
    return plt.subplots(figsize=size, layout="constrained")[1]


def headed(ax: Axes, heading: str) -> None:
    """Write a heading above the figure of `ax`, which grows by its lines."""
    figure: Any = ax.get_figure()
    size = plt.rcParams["font.size"]
    width, height = figure.get_size_inches()
    lines = textwrap.wrap(heading, int(_LETTERS * width / COLUMN_WIDTH * PAPER_FONT_SIZE / size))
    figure.set_size_inches(width, height + len(lines) * 1.35 * size / 72)
    figure.suptitle("\n".join(lines), fontsize=size)


def panels(ax: Axes, count: int) -> list[Axes]:
    """Split `ax` into `count` panels side by side, its children; one panel is `ax` itself."""
    if count == 1:
        return [ax]
    if count > MOST_PANELS:
        raise StripeError(f"at most {MOST_PANELS} panels are readable side by side, got {count}")
    ax.set_axis_off()
    width = (_PANELS - _GAP * (count - 1)) / count
    return [ax.inset_axes((i * (width + _GAP), 0, width, 1)) for i in range(count)]


def heat_maps(
    ax: Axes,
    maps: Sequence[Float[np.ndarray, "rows columns"]],
    *,
    titles: Sequence[str],
    xlabel: str,
    ylabel: str,
    colour_label: str,
    **kwargs: Any,
) -> list[AxesImage]:
    """Draw matrices side by side on one colour scale, with one colour bar.

    `kwargs` go to `Axes.imshow`; `vmin` and `vmax` default to the range of all maps together.
    """
    limits = {"vmin": min(map(np.nanmin, maps)), "vmax": max(map(np.nanmax, maps))}
    if "norm" in kwargs:
        limits = {}
        kwargs = {name: value for name, value in kwargs.items() if name not in ("vmin", "vmax")}
    style = {"aspect": "auto", "interpolation": "nearest", **limits, **kwargs}
    drawn = []
    for panel, matrix, title in zip(panels(ax, len(maps)), maps, titles, strict=True):
        drawn.append(panel.imshow(matrix, **style))
        panel.set_title(title, fontsize=plt.rcParams["axes.labelsize"])
        panel.set_xlabel(xlabel)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
        panel.tick_params(labelleft=not drawn[1:])
        if not drawn[1:]:
            panel.set_ylabel(ylabel)
    # Several panels leave room inside the axes, so that neighbours in a larger figure stay free.
    bar = ax.inset_axes((1.02 if len(maps) == 1 else _PANELS + 0.02, 0, 0.03, 1))
    ax.figure.colorbar(drawn[0], cax=bar, label=colour_label)
    return drawn
