"""The cost of freezing more and more gates."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from stripe.plots.axes import axes_or_new, legend_above
from stripe.plots.choose import with_columns
from stripe.plots.literal import literal
from stripe.typed import typed

#: Shares of images, with the order of their lines, of which the higher is in front, and markers.
_SHARES = {"agreement": (2.0, "o"), "accuracy": (1.9, "s")}


@typed
def freezing(
    data: pd.DataFrame,
    *,
    threshold: float | None = None,
    heading: str = "",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw agreement and, if known, accuracy against the number of frozen gates.

    Parameters
    ----------
    data
        The table `greedy` of `stripe.audit`: frozen (number of gates), agreement (with the
        unchanged network, 0 to 1), accuracy (0 to 1, or NaN). If the table has the 95 % intervals
        (agreement_low, agreement_high, accuracy_low and accuracy_high), they are drawn as bands.
    threshold
        An agreement to mark with a line.
    heading
        Text above the picture: the run, the layer or the epoch. Default: none.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to each call of `Axes.plot`.

    Returns
    -------
    Axes
        `ax`.

    Notes
    -----
    The bands show only the uncertainty from the choice of images. All points of a curve use the
    same images, so the differences between points are more certain than their heights.

    Examples
    --------
    >>> report = stripe.audit(model, loader, out=None, rounds=1, progress=False)
    >>> ax = stripe.plots.freezing(report.greedy, threshold=report.threshold)
    """
    with_columns(data, ("frozen", *_SHARES), of="stripe.audit, greedy")
    ax = axes_or_new(ax)
    style = {"linewidth": 1, "markersize": 2.5}
    for name, (order, marker) in _SHARES.items():
        if data[name].isna().all():
            continue
        of_share = {"label": name, "zorder": order, "marker": marker, **style, **kwargs}
        (line,) = ax.plot(data["frozen"], 100 * data[name], **of_share)
        if {f"{name}_low", f"{name}_high"} <= set(data):
            low, high = 100 * data[f"{name}_low"], 100 * data[f"{name}_high"]
            band: Any = {"color": line.get_color(), "alpha": 0.2, "linewidth": 0, "zorder": 1}
            ax.fill_between(data["frozen"], low, high, **band)
    if threshold is not None:
        ax.axhline(100 * threshold, color="gray", linewidth=0.8, linestyle="--", label="threshold")
    legend = "\nbands: 95 % intervals" if ax.collections else ""
    ax.set(xlabel=f"frozen gates, in the order of the audit{legend}", ylabel="images (%)")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    ax.margins(x=0.02)
    ax.set_ylim(top=100.8 if data["agreement"].min() > 0.9 else 102)
    legend_above(ax, heading=literal(heading))
    return ax
