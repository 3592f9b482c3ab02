"""How well each gate alone tells the class of an image."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe import stats
from stripe.plots.axes import axes_or_new
from stripe.plots.by_gate import forward_order, headed_legend, of_epoch
from stripe.recording import Recorded

_COLUMNS = ("accuracy", "low", "high", "chance", "inputs")


def class_information(
    data: Recorded | pd.DataFrame,
    *,
    epoch: int | None = None,
    folds: int = 5,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw how well each gate alone predicts the class, by depth.

    Parameters
    ----------
    data
        A recording with labels, or the table that `stripe.stats.class_information` made of one.
    epoch
        Epoch to draw. Default: the last.
    folds
        As for `stripe.stats.class_information`; ignored for a table.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.errorbar`, which draws the accuracies from gates.

    Returns
    -------
    Axes
        `ax`. For each gate, in forward order, it shows the accuracy (%) from the gate with its 95 %
        interval. It also shows the accuracy from the pooled inputs, if they were recorded, and
        chance as a line.

    Raises
    ------
    StripeError
        If there is no such epoch, the table lacks a column, or the recording has no labels.

    Notes
    -----
    A gate can contain information about the class that the network does not use. The discriminant
    is linear, so the accuracies are lower bounds.

    Examples
    --------
    >>> ax = stripe.plots.class_information(recording, folds=2)
    """
    table, heading = of_epoch(
        data,
        epoch,
        lambda one, number: stats.class_information(one, [number], folds=folds),
        _COLUMNS,
    )
    ax = axes_or_new(ax)
    places = np.arange(1, len(table) + 1)
    middle, low, high = (100 * table[name].to_numpy() for name in ("accuracy", "low", "high"))
    errors = np.clip([middle - low, high - middle], 0, None)
    style = {"fmt": "o", "markersize": 2.5, "elinewidth": 0.8, "color": "#3b6ea8", **kwargs}
    ax.errorbar(places, middle, yerr=errors, **{"label": "gate", **style})
    if table["inputs"].notna().any():
        before: Any = {"marker": "s", "s": 8, "facecolors": "none", "edgecolors": "#d58a2f"}
        ax.scatter(places, 100 * table["inputs"], label="inputs", **before)
    chance = 100 * float(table["chance"].iloc[0])
    ax.axhline(chance, color="gray", linewidth=0.8, linestyle="--", label="chance")
    forward_order(ax, len(table))
    ax.set(ylabel="accuracy (%)\nbars: 95 % intervals")
    ax.set_ylim(bottom=0)
    headed_legend(ax, heading)
    return ax
