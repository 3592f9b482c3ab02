"""Axes in a new figure of a column's width; headings, letters and legends beside them."""

import re
import textwrap
from collections.abc import Sequence
from math import ceil
from typing import Any
from weakref import WeakSet

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import ArrayLike

#: Width in inches of a column of a two-column paper.
COLUMN_WIDTH = 3.4
#: Size in points of letters in figures of this width.
PAPER_FONT_SIZE = 7

#: Number of letters of a heading that fit in a column.
_LETTERS = 62

#: Smallest number of letters of a line that is broken.
_FEWEST = 8

#: Letters of a legend that its marker and the space around it take.
_HANDLE = 4
#: Height of a row of a legend without space between rows, in sizes of its letters.
_LETTER_HEIGHT = 1.1
#: Figures that `axes_or_new` made. Only these grow by a long legend.
_NEW: WeakSet[Figure] = WeakSet()
#: Height of a line above axes, in sizes of its letters; lines for which a new figure has room.
_LINE, _LINES = 1.35, 2
#: Space in points below and above a title.
_PAD = 10


def axes_or_new(
    ax: Axes | None, *, height: float = 1.9, width: float = COLUMN_WIDTH, panels: int = 1
) -> Axes:
    """Return `ax`, or axes in a new figure of `width` and `height` inches in paper style.

    With larger letters the figure grows in proportion, so that nothing collides; with more than two
    panels side by side it grows up to the width of a page.
    """
    if ax is not None:
        return ax
    growth = plt.rcParams["font.size"] / PAPER_FONT_SIZE
    size = (growth * width * min(2, max(1, panels / 2)), growth * height)
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
    """Write which run, gate and epoch `ax` shows above it, and above `below` lines of titles.

    A text that does not fit has several lines.
    """
    text = wrapped(text, letters_in(ax))
    size = FontProperties(size=plt.rcParams["axes.labelsize"]).get_size_in_points()
    ax.set_title(text, loc="left", fontsize=size, pad=6 + _LINE * size * below)
    grow(ax, below + text.count("\n") - _LINES)


def grow(ax: Axes, lines: int) -> None:
    """Make a new figure higher by some lines of labels; one of the user keeps its size."""
    figure: Any = ax.get_figure(root=True)
    if figure in _NEW and lines > 0:
        size = FontProperties(size=plt.rcParams["axes.labelsize"]).get_size_in_points()
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + lines * _LINE * size / 72)


def note(ax: Axes, text: str) -> None:
    """Write in the middle of `ax` why nothing is drawn there."""
    place: Any = {"transform": ax.transAxes, "ha": "center", "va": "center"}
    ax.text(0.5, 0.5, text, **place, bbox={"facecolor": "white", "edgecolor": "none"})


def note_if_blank(ax: Axes, *values: ArrayLike) -> None:
    """Say that there is nothing to draw in `ax` if none of the values is finite."""
    if not any(np.isfinite(np.asarray(of, dtype=float)).any() for of in values):
        note(ax, "no finite value")


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


def label_beside(ax: Axes, text: str) -> None:
    """Label the y axis of `ax`, in as many lines as its height needs."""
    height = ax.get_window_extent().height / ax.figure.dpi
    ax.set_ylabel(wrapped(text, int(0.8 * letters_in(ax, height))))  # the layout takes a fifth


def height_of(lines: int) -> float:
    """Return the height in inches of a title of some lines with the space around it."""
    size = FontProperties(size=plt.rcParams["axes.labelsize"]).get_size_in_points()
    return (_PAD + _LINE * size * lines) / 72


def wrapped(text: str, letters: int) -> str:
    """Break lines that have more than `letters` letters, but neither a formula nor a literal $."""
    kept = re.findall(r"\\\$|\$[^$]*\$", text)  # a literal $, or a formula
    # In characters of no language, as many as the letters seen, but two for a Greek letter.
    seen = [1 if k == r"\$" else max(2, len(re.sub(r"\\[a-z]+|\W", "", k))) for k in kept]
    held = [chr(0xE000 + 2 * n) + chr(0xE001 + 2 * n) * (s - 1) for n, s in enumerate(seen)]
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

    Where its names are too long for a row, it has several; a name too long for a row is broken.
    """
    if handles is None:
        handles = ax.get_legend_handles_labels()[0]
    labels = [str(handle.get_label()) for handle in handles]
    label, size = (
        FontProperties(size=plt.rcParams[name]).get_size_in_points()
        for name in ("axes.labelsize", "legend.fontsize")
    )
    room = int(letters_in(ax) * label / size)
    columns = room // (max(map(len, labels), default=0) + _HANDLE)
    columns = max(1, min(columns, len(labels)))
    labels = [wrapped(text, room - _HANDLE) for text in labels]
    rows = sum(text.count("\n") + 1 for text in labels) if columns == 1 else len(labels) / columns
    place: Any = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": columns}
    style: Any = {"frameon": False, "borderaxespad": 0.2, "handlelength": 1.2, "columnspacing": 1}
    style["labelspacing"] = max(0, _LINE * label / size - _LETTER_HEIGHT)  # as `name_above` counts
    ax.legend(handles, labels, **{**place, **style})
    name_above(ax, heading, below=ceil(rows))
