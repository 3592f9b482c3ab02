"""Our numbers beside the paper's."""

from collections.abc import Callable
from itertools import pairwise
from textwrap import wrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties

from stripe.plots.axes import axes_or_new
from stripe.plots.choose import with_columns
from stripe.typed import typed

_WORDS = ("dataset", "backbone", "method", "setting")
#: Height of a row in inches, and a gap between groups as a share of it.
_ROW, _GAP = 0.13, 0.9
#: Inches: legend, ticks and label beside the rows; a line more of the label; a title of a panel.
_AROUND, _LINE, _TITLE = 0.8, 0.13, 0.17
#: Groups from which on each is a panel, and panels side by side.
_MANY, _ACROSS = 5, 2
#: Letters in a line of the label.
_LETTERS = 60


@typed
def reproduction(
    data: pd.DataFrame,
    *,
    value: str = "last",
    xlabel: str = "test accuracy (%)",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw our number, its spread and the paper's number for each cell of a reproduced table.

    Parameters
    ----------
    data
        A table of `Reproduction.numbers` for one metric: dataset, backbone, method, setting, std,
        paper and the column that `value` names. Missing numbers are NaN. If the table has the
        column `trained`, lines below `xlabel` name the network and the data set of each of our
        numbers.
    value
        Name of the column with our numbers.
    xlabel
        Label of the horizontal axis, with its unit.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.errorbar` for our numbers.

    Returns
    -------
    Axes
        `ax`, with one row per cell. The bars are standard deviations over seeds. The label of a row
        is its value in the column (dataset, backbone, method or setting) that changes most often
        from row to row. Rows with equal values in the other columns form a group, with these values
        above it. If every group would have a single row, there are no groups, and a label joins the
        values of all columns. A column with the same value in all rows is omitted. A row without
        our number is marked as missing. If there are at least five groups, and all have the same
        row labels, each group is a panel (`child_axes` of `ax`), and all panels have the same
        scale.

    Raises
    ------
    StripeError
        If the table lacks a column, has no rows, or has texts instead of numbers.

    Examples
    --------
    >>> cell = {"dataset": "cifar100", "backbone": "resnet164", "setting": "", "paper": 75.0}
    >>> ours = {"method": ["bare", "ASR(SE)"], "last": [74.2, 74.9], "std": [0.3, 0.4]}
    >>> ax = stripe.plots.reproduction(pd.DataFrame({**cell, **ours}))
    """
    numbers = (value, "std", "paper")
    data = with_columns(data, [*_WORDS, *numbers], names=_WORDS, of="Reproduction.numbers")
    xlabel += _trained(data) if "trained" in data else ""
    data, names, groups = _named(data)
    begins = [row for row, group in enumerate(groups) if group]
    blocks = [data.iloc[i:j] for i, j in pairwise([*begins, len(data)])]

    def drawn(on: Axes, block: pd.DataFrame, rows: np.ndarray) -> None:
        _draw(on, block, rows, value, kwargs)

    if len(blocks) >= _MANY and _alike(names, begins):
        titles = [group for group in groups if group]
        return _multiples(blocks, names[: len(blocks[0])], titles, xlabel, drawn, ax)
    rows = np.arange(len(data)) + _GAP * np.cumsum([bool(group) for group in groups])
    span = rows[-1] + 1.4 if len(rows) else 1.4
    ax = axes_or_new(ax, height=_AROUND + _LINE * xlabel.count("\n") + _ROW * span)
    drawn(ax, data, rows)
    ax.set_yticks(rows, names)
    for row, group in zip(rows, groups, strict=True):
        if group:  # above the first row of the group, at its left
            where = ax.get_yaxis_transform()
            ax.text(0.01, row - 0.5, group, transform=where, va="bottom", style="italic")
            ax.axhline(row - 0.5, color="0.85", linewidth=0.5, zorder=0)
    ax.set_ylim(rows[-1] + 0.7 if len(rows) else 1, -0.7)
    ax.set_xlabel(xlabel)
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return ax


def _draw(
    ax: Axes, data: pd.DataFrame, rows: np.ndarray, value: str, kwargs: dict[str, Any]
) -> None:
    """Draw the paper's numbers and ours at given heights."""
    ours, papers = sns.color_palette("colorblind", 2)
    if data["paper"].notna().any():
        ax.scatter(
            data["paper"], rows, marker="D", s=14, facecolor="none", edgecolor=papers, label="paper"
        )
    bars = {
        "fmt": "o",
        "markersize": 3,
        "elinewidth": 0.8,
        "color": ours,
        "label": "ours, \u00b1 std over seeds",
    }
    ax.errorbar(data[value], rows, xerr=data["std"].fillna(0), **{**bars, **kwargs})
    _mark_missing(ax, data, rows, value)


def _mark_missing(ax: Axes, data: pd.DataFrame, rows: np.ndarray, value: str) -> None:
    """Mark the rows without our number, beside the paper's number."""
    middle = np.mean(ax.get_xlim())
    style: dict[str, Any] = {"va": "center", "color": "0.45", "fontsize": "x-small"}
    for row, own, other in zip(rows, data[value], data["paper"], strict=True):
        if np.isnan(own) and np.isnan(other):
            ax.text(
                0.5, row, "missing", transform=ax.get_yaxis_transform(), **{**style, "ha": "center"}
            )
        elif np.isnan(own):
            side = 1 if other < middle else -1  # inside the axes
            style["ha"] = "left" if side > 0 else "right"
            apart = (5 * side, 0)
            ax.annotate("missing", (other, row), xytext=apart, textcoords="offset points", **style)


def _trained(data: pd.DataFrame) -> str:
    """Return lines that say which network and data stand in for those of the paper."""
    differing = [word for word in ("dataset", "backbone") if len(set(data[word])) > 1]
    by_network = data.groupby("trained", sort=False)
    lines = []
    for trained, rows in by_network:
        cells = ", ".join(dict.fromkeys(_joined(rows, differing)))
        papers = f" ({cells})" if len(by_network) > 1 and cells else ""
        lines += wrap(f"{trained}{papers}", _LETTERS)
    return "".join(f"\n{'' if n else 'ours: '}{line}" for n, line in enumerate(lines))


def _alike(names: list[str], begins: list[int]) -> bool:
    """Tell whether all groups have the same rows, so that each can be a panel."""
    blocks = {tuple(names[i:j]) for i, j in pairwise([*begins, len(names)])}
    return len(blocks) == 1 and len(names) > len(begins)


def _multiples(
    blocks: list[pd.DataFrame],
    names: list[str],
    titles: list[str],
    xlabel: str,
    drawn: Callable[[Axes, pd.DataFrame, np.ndarray], None],
    ax: Axes | None,
) -> Axes:
    """Draw a panel per group, all with the same rows and the same scale."""
    lines, rows = -(-len(blocks) // _ACROSS), np.arange(len(names))
    height = lines * (_TITLE + _ROW * (len(names) + 0.4))
    ax = axes_or_new(ax, height=_AROUND + _LINE * xlabel.count("\n") + height)
    ax.set(xticks=[], yticks=[], frame_on=False)
    panels: list[Axes] = []
    small = FontProperties(size=plt.rcParams["xtick.labelsize"]).get_size_in_points()
    share = 1 - _TITLE * lines / height
    for number, (block, title) in enumerate(zip(blocks, titles, strict=True)):
        line, column = divmod(number, _ACROSS)
        place = (column / _ACROSS, 1 - (line + 1) / lines, 0.94 / _ACROSS, share / lines)
        panel = ax.inset_axes(place, sharex=panels[0] if panels else None)
        drawn(panel, block, rows)
        panel.set_yticks(rows, names if column == 0 else [])
        panel.set_ylim(len(names) - 0.3, -0.7)
        panel.set_title(title, fontsize=small, style="italic", pad=2)
        below = number + _ACROSS >= len(blocks)
        panel.tick_params(axis="x", labelbottom=below, bottom=below)
        panels.append(panel)
    ax.set_xlabel(xlabel, labelpad=2.6 * small)
    handles, labels = panels[0].get_legend_handles_labels()
    ax.legend(handles, labels, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return ax


def _named(data: pd.DataFrame) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return the rows by group, the name of each, and above which a group begins, its name."""
    varied = [word for word in _WORDS if len(set(data[word])) > 1] or ["method"]
    changes = {w: sum(a != b for a, b in pairwise(data[w])) for w in varied}
    fastest = max(varied, key=lambda word: changes[word])
    slow = [word for word in varied if word != fastest]
    groups = _joined(data, slow)
    if len(set(groups)) == len(data):  # one row each: nothing stands together
        return data, _joined(data, varied), [""] * len(data)
    numbers, _ = pd.factorize(np.array(groups, dtype=object))
    order = np.argsort(numbers, kind="stable")
    data, groups = data.iloc[order], [groups[row] for row in order]
    begins = [g if i == 0 or g != groups[i - 1] else "" for i, g in enumerate(groups)]
    return data, [str(name) or "-" for name in data[fastest]], begins


def _joined(data: pd.DataFrame, words: list[str]) -> list[str]:
    return [" ".join(filter(None, map(str, row))) for row in data[words].itertuples(index=False)]
