"""The shares of channel, class and image in the variance of each gate."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe import stats
from stripe.plots.axes import note_if_blank
from stripe.plots.by_gate import headed_legend, of_runs, order_rows, rows_of_axes
from stripe.plots.series import FIRST, REST, SECOND
from stripe.recording import Recorded
from stripe.stats.variance_components import shares_from_0_to_1
from stripe.typed import typed

#: Parts of the variance, with their colours.
_PARTS = {"channel": FIRST, "class": SECOND, "image": REST}


@typed
def variance_components(
    data: Recorded | Sequence[Recorded] | pd.DataFrame,
    *,
    names: Sequence[str] | None = None,
    epoch: int | Sequence[int] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the shares of channel, class and image in the variance of each gate, by depth.

    Parameters
    ----------
    data
        A recording, several recordings, or the table of `stripe.stats.variance_components` for one
        recording.
    names
        Name of each recording. Default: the parts of their paths that differ.
    epoch
        Epoch of all recordings, or one per recording. Default: the last of each.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.bar`.

    Returns
    -------
    Axes
        `ax`, with a stacked bar of the three shares (%) for each gate, in forward order. Several
        recordings are drawn one above the other, in the `child_axes` of `ax`.

    Raises
    ------
    RecordingError, StripeError
        As for `stripe.stats.variance_components`; also if an epoch is missing, there are no channel
        gates, two names are equal, there is not one name or epoch per recording, the table lacks a
        column or has two rows for a gate in one epoch, or there are more than 8 recordings.

    Notes
    -----
    The estimate of a share can be below 0, because the estimates of the variance components are
    unbiased. Such a share is drawn as 0, and the other shares are divided by their sum. Without
    labels, the image share includes the class share. A large image share does not mean that the
    network uses the variation over images. Freezing a gate removes this variation.
    `stripe.sensitivity` estimates the effect of freezing.

    Examples
    --------
    >>> ax = stripe.plots.variance_components(recording)
    """
    runs, heading = of_runs(
        data,
        lambda one, number: stats.variance_components(one, [number]),
        tuple(_PARTS),
        of="stripe.stats.variance_components",
        names=names,
        epoch=epoch,
    )
    ax, rows = rows_of_axes(ax, list(runs))
    for row, table in zip(rows, runs.values(), strict=True):
        _draw_shares(row, table, kwargs)
    order_rows(rows, runs.values(), "share of the\nvariance (%)")
    if any((table[list(_PARTS)] < 0).any(axis=None) for table in runs.values()):
        rows[-1].set_xlabel(f"{rows[-1].get_xlabel()}\nestimates below 0 are drawn as 0")
    headed_legend(rows[0], heading)
    return ax


def _draw_shares(ax: Axes, table: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    """Draw the shares of one run on top of each other."""
    shares = 100 * shares_from_0_to_1(table).fillna(0.0)
    places, bottom = np.arange(1, len(shares) + 1), np.zeros(len(shares))
    for part, colour in _PARTS.items():
        if part == "class" and table[part].isna().all():
            continue
        ax.bar(places, shares[part], bottom=bottom, **{"label": part, "color": colour, **kwargs})
        bottom = bottom + shares[part].to_numpy()
    note_if_blank(ax, table[list(_PARTS)])
    ax.set(ylim=(0, 100))
