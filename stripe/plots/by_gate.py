"""A statistic of every gate of each run in one epoch, and an axis of gates in forward order."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from matplotlib.ticker import Formatter

from stripe.errors import StripeError
from stripe.plots.axes import axes_or_new, legend_above, wrapped
from stripe.plots.choose import said, with_columns
from stripe.plots.heat_maps import MOST_PANELS
from stripe.plots.literal import literal, shown_runs
from stripe.recording import Recorded, Recording
from stripe.recording.runs import short_names
from stripe.registry import listed

#: Largest number of gates that are numbered below an axis.
_TICKS = 12
#: Height in inches of a run among several, the part of it that is axes, and letters of its name.
_ROW, _SHARE, _NAME = 1.2, 0.8, 18


def of_runs(
    data: Recorded | Sequence[Recorded] | pd.DataFrame,
    statistic: Callable[[Recording, int], pd.DataFrame],
    columns: tuple[str, ...],
    *,
    of: str,
    names: Sequence[str] | None = None,
    epoch: int | Sequence[int] | None = None,
) -> tuple[dict[str, pd.DataFrame], str]:
    """Return a table of each run, with a row for each gate in an epoch, and a heading.

    Parameters
    ----------
    data
        A recording, several recordings, or the table that the statistic made of them.
    statistic
        Function from a recording and an epoch to the table.
    columns
        Columns that the table must have besides epoch and gate.
    of
        Function that returns such a table, for an error message.
    names
        One per recording. Default: the parts of their paths that differ.
    epoch
        Epoch of all recordings, or one per recording. Default: the last of each.

    Raises
    ------
    StripeError
        If there is no such epoch, the names are not one per recording, the table lacks a column, or
        it has a gate twice.
    """
    if isinstance(data, pd.DataFrame):
        runs, heading = of_table(data, columns, names, epoch, of=of), ""
    else:
        shown = shown_runs(data, names=names, epoch=epoch)
        runs = {run.name: statistic(run.recording, run.epoch) for run in shown}
        heading = said(shown)
    for table in runs.values():
        if table.empty:
            raise StripeError("there is nothing to draw: no channel gates are recorded")
        if table["gate"].duplicated().any():
            raise StripeError(
                "a table must have one row for each gate and epoch of a recording; give a table "
                "of one recording, or a column recording"
            )
    return runs, heading


def of_table(
    table: pd.DataFrame,
    columns: tuple[str, ...],
    names: Sequence[str] | None,
    epoch: int | Sequence[int] | None,
    *,
    of: str,
) -> dict[str, pd.DataFrame]:
    """Return the rows of an epoch of each recording in a table, by its literal name."""
    with_columns(table, ("epoch", "gate", *columns), names=("gate",), of=of)
    if "recording" not in table:
        table = table.assign(recording="")
    paths = list(dict.fromkeys(table["recording"]))
    called = short_names([Path(path) for path in paths]) if names is None else names
    epochs = [epoch] * len(paths) if not isinstance(epoch, Sequence) else epoch
    if not len(paths) == len(epochs) == len(called) == len(set(called)):
        raise StripeError(
            f"names are distinct, and names and epochs one per recording, of which there are "
            f"{len(paths)}; got {len(called)} names, {len(epochs)} epochs"
        )
    found = {}
    for path, name, number in zip(paths, called, epochs, strict=True):
        of_run = table[table["recording"] == path]
        recorded = sorted(of_run["epoch"].unique())
        of_epoch = of_run[of_run["epoch"] == (recorded[-1] if number is None else number)]
        found[literal(name)] = of_epoch
        if of_epoch.empty:
            raise StripeError(
                f"there is no epoch {number}; the table has: {listed(list(map(str, recorded)))}"
            )
    return found


def gate_positions(tables: Iterable[pd.DataFrame]) -> dict[str, int]:
    """Return the place of every gate of some runs on an axis, from 1; a name has one place."""
    gates = dict.fromkeys(str(gate) for table in tables for gate in table["gate"])
    return {gate: place for place, gate in enumerate(gates, 1)}


def rows_of_axes(ax: Axes | None, names: Sequence[str]) -> tuple[Axes, list[Axes]]:
    """Return axes, and in them a row of axes for each run with its name at the right.

    The axes of one run are `ax` itself.
    """
    if len(names) > MOST_PANELS:
        raise StripeError(
            f"at most {MOST_PANELS} runs are readable above each other, got {len(names)}; give "
            "fewer recordings"
        )
    ax = axes_or_new(ax, height=1.9 if len(names) == 1 else 0.6 + _ROW * len(names))
    if len(names) == 1:
        return ax, [ax]
    ax.set_axis_off()
    step = 1 / len(names)
    rows = [
        ax.inset_axes((0, 1 - (n + _SHARE) * step, 1, _SHARE * step)) for n in range(len(names))
    ]
    place: Any = {"xycoords": "axes fraction", "rotation": 270, "ha": "left", "va": "center"}
    for row, name in zip(rows, names, strict=True):
        size = plt.rcParams["axes.labelsize"]
        row.annotate(wrapped(name, _NAME), (1.015, 0.5), fontsize=size, **place)
    return ax, rows


def forward_order(ax: Axes, gates: Iterable[str]) -> None:
    """Put gates on the x axis, with their names if these fit side by side, else numbered from 1.

    The end that all names share is left out: layer1.0.bn2.gate and layer2.0.bn2.gate are drawn as
    layer1.0 and layer2.0. It stays where a number alone would be left.
    """
    names = [literal(name) for name in _without_common_end(list(gates))]
    ax.set_xticks(np.arange(1.0, len(names) + 1)[:: max(1, -(-len(names) // _TICKS))])
    ax.xaxis.set_major_formatter(_GateFormatter(names))
    ax.set_xlabel("gate, in forward order")
    ax.set_xlim(0.4, len(names) + 0.6)


class _GateFormatter(Formatter):
    """Names of gates if these leave a letter between them when they are drawn, else numbers."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        font = FontProperties(size=plt.rcParams["xtick.labelsize"])
        widths = [TextPath((0, 0), f"{name}n", prop=font).get_extents().width for name in names]
        self.needed = max(widths) * len(names)

    def __call__(self, value: float, position: int | None = None) -> str:
        """Return the name or the number of a gate."""
        place: Any = self.axis
        ax = place.axes
        fit = self.needed <= ax.get_window_extent().width * 72 / ax.figure.dpi
        return self.names[round(value) - 1] if fit else f"{value:g}"


def _without_common_end(names: list[str]) -> list[str]:
    """Return names without the last parts that are the same in all.

    No name becomes a mere number, which would be taken for the place of a gate.
    """
    parts = [name.split(".") for name in names]
    while len(parts) > 1 and len({each[-1] for each in parts}) == 1:
        shorter = [each[:-1] for each in parts]
        if not all(shorter) or any("".join(each).isdigit() for each in shorter):
            break
        parts = shorter
    return [".".join(each) for each in parts]


def order_rows(rows: Sequence[Axes], tables: Iterable[pd.DataFrame], label: str) -> None:
    """Put the gates of each run on the x axis of its row, and label both axes."""
    for row, table in zip(rows, tables, strict=True):
        forward_order(row, table["gate"])
        row.set_ylabel(label)
    for row in rows[:-1]:
        row.set_xlabel("")


def headed_legend(ax: Axes, heading: str) -> None:
    """Write the heading above `ax`, and the legend between the heading and the axes."""
    legend_above(ax, heading=heading)
