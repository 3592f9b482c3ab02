"""Axes in a new figure of a column's width; headings, letters and legends beside them."""

import re
import textwrap
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

#: Width in inches of a column of a two-column paper.
COLUMN_WIDTH = 3.4
#: Size in points of letters in figures of this width.
PAPER_FONT_SIZE = 7

#: Number of letters of a heading that fit in a column.
_LETTERS = 62

#: Smallest number of letters of a line that is broken.
_FEWEST = 8

#: Height of a row of a legend without space between rows, in sizes of its letters.
_LETTER_HEIGHT = 1.1
#: Figures that `axes_or_new` made. Only these grow by a long legend.
_NEW: WeakSet[Figure] = WeakSet()
#: Height of a line above axes, in sizes of its letters; lines for which a new figure has room.
_LINE, _LINES = 1.35, 2


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
