"""How many channels of each gate are always off, or always on."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe import stats
from stripe.plots.axes import axes_or_new
from stripe.plots.by_gate import forward_order, headed_legend, of_epoch
from stripe.recording import Recorded, Recording

#: States of a channel, with the colour of its bar.
_STATES = {"off": "#3b6ea8", "on": "#d58a2f", "stuck": "#b8bfc7"}


def saturation(
    data: Recorded | pd.DataFrame,
    *,
    low: float = 0.01,
    high: float = 0.99,
    epoch: int | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the shares of channels of each gate that are off, on or stuck for all images.

    Parameters
    ----------
    data
        A recording, or the table that `stripe.stats.saturation` made of one.
    low, high
        Bounds of off and on, as for `stripe.stats.saturation`; ignored for a table.
    epoch
        Epoch to draw. Default: the last.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.bar`.

    Returns
    -------
    Axes
        `ax`, with three bars (% of channels) side by side for each gate, in forward order.

    Raises
    ------
    StripeError
        If there is no such epoch, the table lacks a column, or `low` and `high` do not satisfy 0 <=
        low < high <= 1.

    Notes
    -----
    A stuck channel can also be off or on, so the bars of a gate may add up to more than 100 %. More
    images give smaller shares, because another image may change a channel.

    Examples
    --------
    >>> ax = stripe.plots.saturation(recording, low=0.1, high=0.9)
    """

    def counted(recording: Recording, number: int) -> pd.DataFrame:
        return stats.saturation(stats.channel_moments(recording, [number]), low=low, high=high)

    table, heading = of_epoch(data, epoch, counted, tuple(_STATES))
    ax = axes_or_new(ax)
    places = np.arange(1, len(table) + 1)
    for shift, (state, colour) in zip((-0.27, 0.0, 0.27), _STATES.items(), strict=True):
        style = {"width": 0.27, "label": state, "color": colour, **kwargs}
        ax.bar(places + shift, 100 * table[state], **style)
    forward_order(ax, len(table))
    ax.set(ylabel="channels (%)")
    ax.set_ylim(0, max(1.0, ax.get_ylim()[1]))
    headed_legend(ax, heading)
    return ax
