"""The effect of batch mates on an image's output, against the batch size."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new, label_beside, legend_above, letters_in, wrapped
from stripe.plots.choose import with_columns
from stripe.plots.literal import literal
from stripe.plots.series import series_styles
from stripe.plots.ticks import unit_of
from stripe.typed import typed


@typed
def batch_sensitivity(
    data: pd.DataFrame, *, note: str | None = None, ax: Axes | None = None, **kwargs: Any
) -> Axes:
    """Draw the spread of an image's output over random batches, one curve per variant.

    The spread is over random draws of the other images in the batch (batch mates).

    Parameters
    ----------
    data
        The table `by_batch_size` of `stripe.style.compare`: columns variant, batch_size, and spread
        in [0, 1].
    note
        Text above the curves.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to each call of `Axes.plot`.

    Returns
    -------
    Axes
        `ax`, with batch sizes on a logarithmic scale of base 2.

    Raises
    ------
    StripeError
        If the table lacks a column, has no rows, or has texts instead of numbers.

    Notes
    -----
    At a batch size of one, there are no batch mates, so the spread is zero.

    Examples
    --------
    >>> sizes = {"batch_size": [1, 8, 64], "spread": [0.0, 0.03, 0.01]}
    >>> ax = stripe.plots.batch_sensitivity(pd.DataFrame({"variant": "bn", **sizes}))
    """
    data = with_columns(
        data,
        ["variant", "batch_size", "spread"],
        names=["variant"],
        of="stripe.style.compare, by_batch_size",
    )
    ax = axes_or_new(ax)
    names = data["variant"].unique()
    for series, name in zip(series_styles(len(names)), names, strict=True):
        rows = data[data["variant"] == name].sort_values("batch_size")
        style = {**series, "markersize": 3, "linewidth": 1.2, **kwargs}
        ax.plot(rows["batch_size"], rows["spread"], **{"label": name, **style})
    sizes = sorted(data["batch_size"].unique())
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, labels=[str(size) for size in sizes])
    ax.minorticks_off()
    ax.set_xlabel("images per batch")
    ax.set_ylim(bottom=0)
    label_beside(ax, f"spread over batch mates{unit_of(ax.yaxis)}")
    legend_above(ax, heading=wrapped(literal(note or ""), letters_in(ax)))
    return ax
