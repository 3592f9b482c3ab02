"""A statistic of every gate in one epoch, and an axis of gates in forward order."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe.errors import StripeError
from stripe.plots.axes import legend_above, name_above
from stripe.plots.choose import said, with_columns
from stripe.recording import Recorded, Recording
from stripe.recording.runs import shown_runs
from stripe.registry import listed

#: Largest number of gates that are numbered below an axis.
_TICKS = 12


def of_epoch(
    data: Recorded | pd.DataFrame,
    epoch: int | None,
    statistic: Callable[[Recording, int], pd.DataFrame],
    columns: tuple[str, ...],
) -> tuple[pd.DataFrame, str]:
    """Return a row for each gate in an epoch, and a heading that names recording and epoch.

    Parameters
    ----------
    data
        A recording, or the table that the statistic made of one.
    epoch
        Epoch to draw. Default: the last.
    statistic
        Function from a recording and an epoch to the table.
    columns
        Columns that the table must have besides epoch and gate.

    Raises
    ------
    StripeError
        If there is no such epoch, or the table lacks a column or has several recordings.
    """
    if not isinstance(data, pd.DataFrame):
        shown = shown_runs(data, epoch=epoch)
        ((_, recording, number),) = shown
        table, heading = statistic(recording, number), said(shown)
    else:
        table, heading = with_columns(data, ("epoch", "gate", *columns), names=("gate",)), ""
        recorded = sorted(table["epoch"].unique())
        table = table[table["epoch"] == (recorded[-1] if epoch is None else epoch)]
        if table.empty:
            raise StripeError(
                f"there is no epoch {epoch}; the table has: {listed(list(map(str, recorded)))}"
            )
    if table.empty:
        raise StripeError("there is nothing to draw: no channel gates are recorded")
    if table["gate"].duplicated().any():
        raise StripeError("a table must have one row for each gate and epoch; give one recording's")
    return table, heading


def forward_order(ax: Axes, count: int) -> None:
    """Put gates on the x axis, numbered from 1."""
    ax.set_xlabel("gate, in forward order")
    ticks = np.arange(1, count + 1)[:: max(1, -(-count // _TICKS))]
    ax.set_xticks(ticks, [str(number) for number in ticks])
    ax.set_xlim(0.4, count + 0.6)


def headed_legend(ax: Axes, heading: str) -> None:
    """Write the heading above `ax`, and the legend between the heading and the axes."""
    legend_above(ax)
    name_above(ax, heading, below=1)
