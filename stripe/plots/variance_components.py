"""The shares of channel, class and image in the variance of each gate."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe import stats
from stripe.plots.axes import axes_or_new
from stripe.plots.by_gate import forward_order, headed_legend, of_epoch
from stripe.recording import Recorded
from stripe.stats.variance_components import shares_from_0_to_1

#: Parts of the variance, with their colours.
_PARTS = {"channel": "#3b6ea8", "class": "#d58a2f", "image": "#b8bfc7"}


def variance_components(
    data: Recorded | pd.DataFrame,
    *,
    epoch: int | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the shares of channel, class and image in the variance of each gate, by depth.

    Parameters
    ----------
    data
        A recording, or the table that `stripe.stats.variance_components` made of one.
    epoch
        Epoch to draw. Default: the last.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.bar`.

    Returns
    -------
    Axes
        `ax`, with a stacked bar of the three shares (%) for each gate, in forward order.

    Raises
    ------
    StripeError
        If there is no such epoch, or the table lacks a column.

    Notes
    -----
    An estimate of a share can be below 0, because it is unbiased. It is then drawn as 0, and the
    other shares are divided by their sum. Without labels, the share of the image includes that of
    the class. A large share of the image does not mean that the network uses the variation over
    images; `stripe.sensitivity` estimates that.

    Examples
    --------
    >>> ax = stripe.plots.variance_components(recording)
    """
    table, heading = of_epoch(
        data, epoch, lambda one, number: stats.variance_components(one, [number]), tuple(_PARTS)
    )
    shares = 100 * shares_from_0_to_1(table).fillna(0.0)
    ax = axes_or_new(ax)
    places, bottom = np.arange(1, len(shares) + 1), np.zeros(len(shares))
    for part, colour in _PARTS.items():
        if part == "class" and table[part].isna().all():
            continue
        ax.bar(places, shares[part], bottom=bottom, **{"label": part, "color": colour, **kwargs})
        bottom = bottom + shares[part].to_numpy()
    forward_order(ax, len(shares))
    ax.set(ylabel="share of the variance (%)", ylim=(0, 100))
    headed_legend(ax, heading)
    return ax
