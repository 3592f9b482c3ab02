"""The estimated cost of freezing each gate."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe.errors import StripeError
from stripe.plots.axes import axes_or_new, legend_above, note_if_blank
from stripe.plots.by_gate import forward_order
from stripe.plots.choose import with_columns
from stripe.plots.series import FIRST, SECOND
from stripe.typed import typed


@typed
def sensitivity(data: pd.DataFrame, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
    """Draw the estimated cost of freezing each gate alone, and the first-order change, by depth.

    Parameters
    ----------
    data
        The table `gates` of `stripe.sensitivity`: gate, first_order, fisher and fisher_se, in nats.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.errorbar`, which draws the estimates.

    Returns
    -------
    Axes
        `ax`. For each gate, in forward order, it shows the estimate of the KL divergence with its
        95 % interval over images, and the first-order change as a hollow square. The scale is
        logarithmic, and a cost of 0 is not drawn.

    Raises
    ------
    StripeError
        If the table lacks a column, has no rows or several rows for a gate, or has texts instead of
        numbers.

    Notes
    -----
    Let a be the change in log p(y) that freezing the gate causes to first order, for a label y
    drawn from the network's own prediction p. The estimate is half the mean of a^2, and the
    first-order change is the mean of `|a|`. Only the estimate can be read as a KL divergence. It
    can be far too small or too large if the gate is far from its mean. The costs of gates do not
    add up to the cost of a set; `Sensitivity.cost` estimates the cost of a set.

    Examples
    --------
    >>> found = stripe.sensitivity(model, loader, recording, progress=False)
    >>> ax = stripe.plots.sensitivity(found.gates)
    """
    table = with_columns(
        data,
        ("gate", "first_order", "fisher", "fisher_se"),
        names=("gate",),
        of="stripe.sensitivity, gates",
    )
    if table["gate"].duplicated().any():
        raise StripeError("a table must have one row for each gate; give that of one network")
    ax = axes_or_new(ax)
    places = np.arange(1, len(table) + 1)
    first, fisher = (table[name].where(table[name] > 0) for name in ("first_order", "fisher"))
    style = {"fmt": "o", "markersize": 2.5, "elinewidth": 0.8, "color": FIRST, **kwargs}
    bars = 1.96 * table["fisher_se"].fillna(0.0)
    ax.errorbar(places, fisher, yerr=bars, **{"label": "KL divergence, estimated", **style})
    hollow: Any = {"marker": "s", "s": 8, "facecolors": "none", "edgecolors": SECOND}
    ax.scatter(places, first, label="first-order change", **hollow)
    forward_order(ax, data["gate"])
    note_if_blank(ax, table[["first_order", "fisher"]])
    drawn = pd.concat([fisher, first]).dropna()
    if len(drawn):
        ax.set_yscale("log", nonpositive="clip")
        ax.set_ylim(drawn.min() / 2, 2 * max(drawn.max(), (fisher + bars).max()))
    ax.set(ylabel="cost of freezing (nats)\nbars: 95 % intervals")
    legend_above(ax)
    return ax
