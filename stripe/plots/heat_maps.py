"""Heat maps side by side, their scale of colours, and their colour bars."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedLocator, MaxNLocator

from stripe.errors import StripeError
from stripe.plots.axes import letters_in, wrapped
from stripe.plots.choose import ColourScale
from stripe.plots.ticks import integer_ticks, unit_of
from stripe.stats.stripe_index import ROUNDING

#: Largest number of rows or columns that all have a tick.
_ALL_TICKS = 4
#: Largest number of panels side by side in a column.
MOST_PANELS = 8
#: Shares of the width: between two panels, and of all panels where a colour bar stands beside.
_GAP, _PANELS = 0.04, 0.88
#: Shares of the width of a panel with a colour bar and its numbers: the panel, the bar's left edge.
_PANEL, _BAR = 0.53, 0.55
#: Width of a colour bar, as a share of the width, and of that of a panel with its bar.
_BAR_WIDTH, _OWN_BAR_WIDTH = 0.03, 0.04


def panels(ax: Axes, count: int, *, bars: int) -> tuple[list[Axes], list[Axes]]:
    """Split `ax` into `count` panels side by side, its children; one panel is `ax` itself.

    Also return the axes of the colour bars: one beside all panels, or `count`, one beside each.
    """
    if count == 1:
        return [ax], [ax.inset_axes((1.02, 0, _BAR_WIDTH, 1))]
    if count > MOST_PANELS:
        raise StripeError(
            f"at most {MOST_PANELS} panels are readable side by side, got {count}; give fewer "
            'recordings, or fewer panels of each, as with side="after" or n_images=1'
        )
    ax.set_axis_off()
    # Several panels leave room inside the axes, so that neighbours in a larger figure stay free.
    if bars == 1:
        width, edges, thick = _width_of_panel(count), [_PANELS + 0.02], _BAR_WIDTH
        step = width + _GAP
    else:
        step = 1 / count
        width, edges = _PANEL * step, [(i + _BAR) * step for i in range(count)]
        thick = _OWN_BAR_WIDTH * step
    drawn = [ax.inset_axes((i * step, 0, width, 1)) for i in range(count)]
    return drawn, [ax.inset_axes((edge, 0, thick, 1)) for edge in edges]


def _width_of_panel(count: int) -> float:
    """Return the width of each of several panels with one colour bar, as a share of the width."""
    return (_PANELS + _GAP) / count - _GAP


def heat_maps(
    ax: Axes,
    maps: Sequence[Float[np.ndarray, "_ _"]],  # of any sizes
    *,
    titles: Sequence[str],
    xlabel: str,
    ylabel: str,
    colour_label: str | Sequence[str],
    scale: ColourScale = "shared",
    **kwargs: Any,
) -> list[AxesImage]:
    """Draw matrices side by side, each on its own colour scale or all on one, with colour bars.

    `colour_label` is one label for all colour bars, or one for each. `kwargs` go to `Axes.imshow`;
    `vmin` and `vmax` default to the range of each map, or of all maps together.
    """
    together = [np.concatenate([np.ravel(matrix) for matrix in maps])] * len(maps)
    if "norm" in kwargs:
        kwargs = {name: value for name, value in kwargs.items() if name not in ("vmin", "vmax")}
    if len(maps) > 1:  # a panel is narrower than the label
        room = letters_in(ax) // len(maps)
        xlabel = wrapped(xlabel.replace(" (", "\n("), room)
        titles = [wrapped(title, room) for title in titles]
    drawn_on, bars = panels(ax, len(maps), bars=len(maps) if scale == "own" else 1)
    drawn = []
    for panel, matrix, of, title in zip(
        drawn_on, maps, maps if scale == "own" else together, titles, strict=True
    ):
        limits = {} if "norm" in kwargs else colour_range(of)
        style = {"aspect": "auto", "interpolation": "nearest", **limits, **kwargs}
        drawn.append(panel.imshow(matrix, **style))
        panel.set_title(title, fontsize=plt.rcParams["axes.labelsize"])
        panel.set_xlabel(xlabel)
        for axis, places in zip((panel.yaxis, panel.xaxis), matrix.shape, strict=True):
            few = FixedLocator(range(places)) if places <= _ALL_TICKS else None
            axis.set_major_locator(few or integer_ticks(places, nbins="auto", steps=[1, 2, 5, 10]))
        panel.tick_params(left=not drawn[1:], labelleft=not drawn[1:])
        if not drawn[1:]:
            panel.set_ylabel(ylabel)
    if kwargs.get("aspect") == "equal" and len(maps) > len(bars):  # the bar as high as the panels
        tallest = max(matrix.shape[0] / matrix.shape[1] for matrix in maps)
        bars[0].set(box_aspect=tallest * _width_of_panel(len(maps)) / _BAR_WIDTH, anchor="NW")
        for panel in drawn_on:  # next to the heading
            panel.set_anchor("N")
    labels = [colour_label] * len(bars) if isinstance(colour_label, str) else colour_label
    for image, bar, label in zip(drawn, bars, labels, strict=False):
        ax.figure.colorbar(image, cax=bar)
        bar.set_ylabel(label + unit_of(bar.yaxis), labelpad=2)
        bar.yaxis.set_major_locator(MaxNLocator(nbins=5))
    return drawn


def note_missing(ax: Axes, matrix: Float[np.ndarray, "rows columns"], what: str) -> None:
    """Write below a heat map what its white cells are, if it has any."""
    if np.isnan(matrix).any():
        ax.set_xlabel(wrapped(f"{ax.get_xlabel()}\nwhite: {what}", letters_in(ax)))


def lines_above(images: Sequence[AxesImage]) -> int:
    """Return the largest number of lines of the titles of `heat_maps`."""
    return max(image.axes.get_title().count("\n") for image in images) + 1


def colour_range(values: Float[np.ndarray, "..."]) -> dict[str, float]:
    """Return the range of the values as `vmin` and `vmax`; nothing is clipped.

    A range that is only rounding of float32 is widened to 1 % of the values, so that rounding is
    not drawn in all colours. NaN and infinite values are left out.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    largest = max(abs(low), abs(high))
    if high - low <= ROUNDING * largest:
        widened = 0.01 * largest or 0.01
        low, high = low - widened, high + widened
    return {"vmin": low, "vmax": high}
