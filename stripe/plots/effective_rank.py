"""The number of directions in which each gate varies over images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from stripe import stats
from stripe.plots.axes import note_if_blank
from stripe.plots.by_gate import headed_legend, of_runs, order_rows, rows_of_axes
from stripe.plots.series import FIRST, SECOND
from stripe.recording import Recorded
from stripe.typed import typed

#: Measures, with the style of their points.
_MEASURES: dict[str, dict[str, Any]] = {
    "effective_rank": {"marker": "o", "color": FIRST},
    "participation": {"marker": "s", "color": SECOND, "markerfacecolor": "none"},
}


@typed
def effective_rank(
    data: Recorded | Sequence[Recorded] | pd.DataFrame,
    *,
    names: Sequence[str] | None = None,
    epoch: int | Sequence[int] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the number of directions in which each gate varies over images, by depth.

    Parameters
    ----------
    data
        A recording, several recordings, or the table of `stripe.stats.effective_rank` for one
        recording.
    names
        Name of each recording. Default: the parts of their paths that differ.
    epoch
        Epoch of all recordings, or one per recording. Default: the last of each.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to both calls of `Axes.plot` that draw the measures.

    Returns
    -------
    Axes
        `ax`. For each gate, in forward order, it shows the effective rank and the participation
        ratio, and the number of channels as a line, on a logarithmic scale. A gate that does not
        vary over images has no points. Several recordings are drawn one above the other, in the
        `child_axes` of `ax`.

    Raises
    ------
    RecordingError, StripeError
        As for `stripe.stats.effective_rank`; also if an epoch is missing, there are no channel
        gates, two names are equal, there is not one name or epoch per recording, the table lacks a
        column or has two rows for a gate in one epoch, or there are more than 8 recordings.

    Notes
    -----
    Neither number says how much a gate varies. A nearly constant gate has a high rank if its small
    variation is noise. Both are at most the number of images.

    Examples
    --------
    >>> ax = stripe.plots.effective_rank(recording)
    """
    runs, heading = of_runs(
        data,
        lambda one, number: stats.effective_rank(one, [number]),
        ("channels", *_MEASURES),
        of="stripe.stats.effective_rank",
        names=names,
        epoch=epoch,
    )
    ax, rows = rows_of_axes(ax, list(runs))
    for row, table in zip(rows, runs.values(), strict=True):
        _draw(row, table, kwargs)
    order_rows(rows, runs.values(), "number of\ndirections")
    headed_legend(rows[0], heading)
    return ax


def _draw(row: Axes, table: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    """Draw the gates of one run."""
    places = np.arange(1, len(table) + 1)
    for name, style in _MEASURES.items():
        varying = table[name].where(table[name] > 0)
        points = {"linestyle": "", "markersize": 2.5, "label": name.replace("_", " "), **style}
        row.plot(places, varying, **{**points, **kwargs})
    note_if_blank(row, table[list(_MEASURES)])
    steps: Any = {"where": "mid", "color": "gray", "linewidth": 0.8, "linestyle": "--"}
    row.step(places, table["channels"], label="channels", **steps)
    row.set_yscale("log", base=2)
    row.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    row.yaxis.set_minor_formatter(NullFormatter())
    row.set_ylim(bottom=0.8)
