"""The cost of freezing more and more gates."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from stripe.plots.axes import axes_or_new, legend_above, letter
from stripe.plots.choose import with_columns
from stripe.plots.literal import literal
from stripe.plots.series import series_styles
from stripe.typed import typed

#: Shares of images. Each has a panel, because they differ by more than freezing changes them.
_SHARES = ("agreement", "accuracy")
#: Height of each of two panels, and of the space between them, as shares of the whole.
_PANEL, _BETWEEN = 0.44, 0.12


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
        The table `greedy` of `stripe.Audit`: frozen (number of gates), agreement (with the
        unchanged network, 0 to 1), accuracy (0 to 1, or NaN). If the table has the 95 % intervals
        (agreement_low, agreement_high, accuracy_low and accuracy_high), they are drawn as bands.
    threshold
        An agreement, 0 to 1, to mark with a line. Default: no line.
    heading
        Text above the picture, such as the name of the run. Default: none.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to each call of `Axes.plot`.

    Returns
    -------
    Axes
        `ax`. If the accuracy is known, agreement and accuracy each have a panel in the `child_axes`
        of `ax`, with different scales.

    Raises
    ------
    StripeError
        If the table lacks a column, has no rows, or has texts instead of numbers.

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
    drawn = [name for name in _SHARES if not data[name].isna().all()]
    ax = axes_or_new(ax, height=1.9 if len(drawn) == 1 else 2.6)
    panels = [ax] if len(drawn) == 1 else _panels(ax)
    for panel, name, style in zip(panels, drawn, series_styles(len(drawn)), strict=True):
        of_share = {"label": name, "linewidth": 1, "markersize": 2.5, **style, **kwargs}
        (line,) = panel.plot(data["frozen"], 100 * data[name], **of_share)
        if {f"{name}_low", f"{name}_high"} <= set(data):
            low, high = 100 * data[f"{name}_low"], 100 * data[f"{name}_high"]
            band: Any = {"color": line.get_color(), "alpha": 0.2, "linewidth": 0, "zorder": 1}
            panel.fill_between(data["frozen"], low, high, **band)
        panel.set_ylabel(f"{name} (%)")
        panel.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        panel.margins(x=0.02)
    if threshold is not None:
        line = panels[0].axhline(100 * threshold, color="gray", linewidth=0.8, linestyle="--")
        line.set_label("threshold")
    legend = "\nbands: 95 % intervals" if panels[-1].collections else ""
    panels[-1].set_xlabel(f"frozen gates, in the order of the audit{legend}")
    legend_above(panels[0], heading=literal(heading))
    return ax


def _panels(ax: Axes) -> list[Axes]:
    """Split `ax` into two panels, one above the other."""
    ax.set_axis_off()
    panels = [ax.inset_axes((0, at, 1, _PANEL)) for at in (_PANEL + _BETWEEN, 0)]
    for panel, text in zip(panels, "ab", strict=True):
        letter(panel, text)
    panels[0].tick_params(labelbottom=False)
    return panels
