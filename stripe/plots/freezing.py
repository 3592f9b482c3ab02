"""What freezing ever more gates costs."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from stripe.plots.axes import axes_or_new


def freezing(
    data: pd.DataFrame, *, threshold: float | None = None, ax: Axes | None = None, **kwargs: Any
) -> Axes:
    """Draw agreement, and accuracy where it is known, against the number of frozen gates.

    Parameters
    ----------
    data
        As `stripe.audit` gives it: frozen (a number of gates), agreement (0 to 1, with the
        network whose gates look at the image), accuracy (0 to 1, or NaN); low and high, where they
        are there, are drawn as a band: the 95 % interval of the agreement.
    threshold
        An agreement to mark with a line.
    ax
        Axes to draw on; by default new ones.
    **kwargs
        For both `Axes.plot`.

    Returns
    -------
    Axes
        `ax`.

    Examples
    --------
    >>> report = stripe.audit(model, loader, out=None, rounds=1, progress=False)
    >>> ax = stripe.plots.freezing(report.greedy, threshold=report.threshold)
    """
    ax = axes_or_new(ax)
    style = {"linewidth": 1, "marker": "o", "markersize": 2.5, **kwargs}
    ax.plot(data["frozen"], 100 * data["agreement"], **{"label": "agreement", **style})
    if {"low", "high"} <= set(data):
        (drawn,) = ax.lines[-1:]
        band = (data["frozen"], 100 * data["low"], 100 * data["high"])
        ax.fill_between(*band, color=drawn.get_color(), alpha=0.2, linewidth=0)
    if data["accuracy"].notna().any():
        ax.plot(
            data["frozen"], 100 * data["accuracy"], **{"label": "accuracy", "zorder": 1.9, **style}
        )
    if threshold is not None:
        ax.axhline(100 * threshold, color="gray", linewidth=0.8, linestyle="--", label="threshold")
    ax.set(xlabel="frozen gates, most constant first", ylabel="images (%)")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    ax.margins(x=0.02)
    ax.set_ylim(top=100.8 if data["agreement"].min() > 0.9 else 102)
    ax.legend(frameon=False)
    return ax
