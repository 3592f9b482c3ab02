"""Axes to draw on: a new figure of a column's width, and panels inside given axes."""

import re
import textwrap
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.ticker import Formatter, MaxNLocator

from stripe.errors import StripeError
from stripe.plots.choose import ColourScale
from stripe.stats.stripe_index import ROUNDING

#: Width in inches of a column of a two-column paper.
COLUMN_WIDTH = 3.4
#: Size in points of letters in figures of this width.
PAPER_FONT_SIZE = 7

#: Number of letters of a heading that fit in a column.
_LETTERS = 62

#: Smallest number of letters of a line that is broken.
_FEWEST = 8

#: Largest number of panels side by side in a column.
MOST_PANELS = 8
#: Shares of the width: between two panels, and of all panels where a colour bar stands beside.
_GAP, _PANELS = 0.04, 0.88
#: Shares of the width of a panel with a colour bar and its numbers: the panel, the bar's left edge.
_PANEL, _BAR = 0.56, 0.58
#: Height of a row of a legend without space between rows, in sizes of its letters.
_LETTER_HEIGHT = 1.1
#: Figures that `axes_or_new` made. Only these grow by a long legend.
_NEW: WeakSet[Figure] = WeakSet()
#: Height of a line above axes, in sizes of its letters; lines for which a new figure has room.
_LINE, _LINES = 1.35, 2
#: Width of a colour bar, as a share of the width, and of that of a panel with its bar.
_BAR_WIDTH, _OWN_BAR_WIDTH = 0.03, 0.04


def axes_or_new(ax: Axes | None, *, height: float = 1.9, panels: int = 1) -> Axes:
    """Return `ax`, or axes in a new figure, a column wide and `height` inches high in paper style.

    With larger letters the figure grows in proportion, so that nothing collides; with more than two
    panels side by side it grows up to the width of a page.
    """
    if ax is not None:
        return ax
    growth = plt.rcParams["font.size"] / PAPER_FONT_SIZE
    width = COLUMN_WIDTH * min(2, max(1, panels / 2))
    size = (growth * width, growth * height)
    figure, made = plt.subplots(figsize=size, layout="constrained")
    _NEW.add(figure)
    return made


def headed(ax: Axes, heading: str, shorter: str) -> None:
    """Write a heading of one line above the figure of `ax`, which grows by it.

    A heading that does not fit is replaced by a shorter one.
    """
    figure: Any = ax.get_figure()
    size = plt.rcParams["font.size"]
    width, height = figure.get_size_inches()
    fits = len(heading) <= letters_in(ax, width)
    figure.set_size_inches(width, height + _LINE * size / 72)
    figure.suptitle(heading if fits else shorter, fontsize=size)


def name_above(ax: Axes, text: str, *, below: int = 0) -> None:
    """Write which run, gate and epoch `ax` shows above it, and above `below` lines of titles."""
    size = FontProperties(size=plt.rcParams["axes.labelsize"]).get_size_in_points()
    ax.set_title(text, loc="left", fontsize=size, pad=6 + _LINE * size * below)
    figure: Any = ax.get_figure(root=True)
    if figure in _NEW and below > _LINES:
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + (below - _LINES) * _LINE * size / 72)


def lettered(titles: Sequence[str]) -> list[str]:
    """Put a, b, c and so on before the titles of several panels, in bold."""
    if len(titles) == 1:
        return list(titles)
    return [rf"$\mathbf{{{chr(97 + n)}}}$  {title}" for n, title in enumerate(titles)]


def letters_in(ax: Axes, inches: float | None = None) -> int:
    """Return how many letters of a label fit in a width; by default that of `ax`."""
    size = FontProperties(size=plt.rcParams["axes.labelsize"]).get_size_in_points()
    width = ax.get_window_extent().width / ax.figure.dpi if inches is None else inches
    return int(_LETTERS * width / COLUMN_WIDTH * PAPER_FONT_SIZE / size)


def wrapped(text: str, letters: int) -> str:
    """Break lines that have more than `letters` letters, but neither a formula nor a literal $."""
    kept = re.findall(r"\\\$|\$[^$]*\$", text)  # a literal $, or a formula
    # In characters of no language: a formula is about two letters wide.
    held = [chr(0xE000 + 2 * n) + chr(0xE001 + 2 * n) * (len(k) > 2) for n, k in enumerate(kept)]
    for part, stand_in in zip(kept, held, strict=True):
        text = text.replace(part, stand_in, 1)
    width = max(letters, _FEWEST)
    lines = [part for line in text.split("\n") for part in _parts(line, width)]
    text = "\n".join(lines)
    for part, stand_in in zip(kept, held, strict=True):
        text = text.replace(stand_in, part, 1)
    return text


def _parts(line: str, width: int) -> list[str]:
    """Return a line as it is if it fits, and otherwise several."""
    return [line] if len(line) <= width else textwrap.wrap(line, width)


def letter(ax: Axes, text: str) -> None:
    """Write the letter of a part of a figure at the upper left of `ax`."""
    place: Any = {"xytext": (-28, 9), "textcoords": "offset points", "annotation_clip": False}
    ax.annotate(text, (0, 1), xycoords="axes fraction", fontweight="bold", **place)


def legend_above(ax: Axes, handles: Sequence[Artist] | None = None, *, heading: str = "") -> None:
    """Put a legend above `ax`, because data may lie anywhere inside it, and a heading above that.

    Where its names are too long for a row, it has several.
    """
    labels = (
        ax.get_legend_handles_labels()[1]
        if handles is None
        else [str(handle.get_label()) for handle in handles]
    )
    columns = min(legend_columns(ax, labels), len(labels))
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": columns}
    style = {"frameon": False, "borderaxespad": 0.2, "handlelength": 1.2, "columnspacing": 1}
    style["labelspacing"] = label_spacing()
    given = {} if handles is None else {"handles": list(handles)}
    ax.legend(**{**place, **style, **given})
    name_above(ax, heading, below=-(-len(labels) // columns))


def label_spacing() -> float:
    """Return the space between rows of a legend with which they are lines for `name_above`."""
    size, label = (
        FontProperties(size=plt.rcParams[name]).get_size_in_points()
        for name in ("legend.fontsize", "axes.labelsize")
    )
    return max(0, _LINE * label / size - _LETTER_HEIGHT)


def legend_columns(ax: Axes, labels: Sequence[str]) -> int:
    """Return how many of the labels fit beside each other above `ax`."""
    letters = max(len(label) for label in labels) + 4
    size = FontProperties(size=plt.rcParams["legend.fontsize"]).get_size_in_points()
    width = ax.get_window_extent().width / ax.figure.dpi  # inches
    return max(1, int(_LETTERS * width / COLUMN_WIDTH * PAPER_FONT_SIZE / size) // letters)


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
        step = (_PANELS + _GAP) / count
        width, edges, thick = step - _GAP, [_PANELS + 0.02], _BAR_WIDTH
    else:
        step = 1 / count
        width, edges = _PANEL * step, [(i + _BAR) * step for i in range(count)]
        thick = _OWN_BAR_WIDTH * step
    drawn = [ax.inset_axes((i * step, 0, width, 1)) for i in range(count)]
    return drawn, [ax.inset_axes((edge, 0, thick, 1)) for edge in edges]


def heat_maps(
    ax: Axes,
    maps: Sequence[Float[np.ndarray, "rows columns"]],
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
    places, bars = panels(ax, len(maps), bars=len(maps) if scale == "own" else 1)
    drawn = []
    for panel, matrix, of, title in zip(
        places, maps, maps if scale == "own" else together, titles, strict=True
    ):
        limits = {} if "norm" in kwargs else colour_range(of)
        style = {"aspect": "auto", "interpolation": "nearest", **limits, **kwargs}
        drawn.append(panel.imshow(matrix, **style))
        panel.set_title(title, fontsize=plt.rcParams["axes.labelsize"])
        panel.set_xlabel(xlabel)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
        panel.tick_params(left=not drawn[1:], labelleft=not drawn[1:])
        if not drawn[1:]:
            panel.set_ylabel(ylabel)
    labels = [colour_label] * len(bars) if isinstance(colour_label, str) else colour_label
    for image, bar, label in zip(drawn, bars, labels, strict=False):
        exponent = 0 if "norm" in kwargs else _exponent(image)
        unit = rf" ($10^{{{exponent}}}$)" if exponent else ""
        ax.figure.colorbar(image, cax=bar)
        bar.set_ylabel(label + unit, labelpad=2)
        bar.yaxis.set_major_locator(MaxNLocator(nbins=5))
        if exponent:
            bar.yaxis.set_major_formatter(ScaledFormatter(exponent))
    return drawn


def lines_above(images: Sequence[AxesImage]) -> int:
    """Return the largest number of lines of the titles of `heat_maps`."""
    return max(image.axes.get_title().count("\n") for image in images) + 1


class ScaledFormatter(Formatter):
    """Numbers divided by a power of ten, which the label of the axis names."""

    def __init__(self, exponent: int) -> None:
        self.exponent = exponent

    def __call__(self, value: float, position: int | None = None) -> str:
        """Return a number as it stands at the axis."""
        return f"{value / 10**self.exponent:g}".replace("-", "\N{MINUS SIGN}")


def _exponent(image: AxesImage) -> int:
    """Return the power of ten that keeps the numbers of a colour bar short; 0 if they are so."""
    largest = max(abs(limit) for limit in image.get_clim())
    return 0 if largest == 0 or 0.05 <= largest < 1000 else int(np.floor(np.log10(largest)))


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
