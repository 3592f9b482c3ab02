"""The bound on the growth of noise with depth, and the measured growth (Theorem 6.1)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new, legend_above
from stripe.plots.choose import with_columns
from stripe.plots.literal import literal
from stripe.plots.series import series_styles
from stripe.plots.ticks import integer_ticks
from stripe.typed import typed


@typed
def noise_bound(
    data: pd.DataFrame | Mapping[str, pd.DataFrame],
    *,
    heading: str = "",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the bound of Theorem 6.1 and the measured growth against depth.

    Parameters
    ----------
    data
        A table of `stripe.noise_bound`, or a mapping from names of networks to such tables.
    heading
        Text above the picture, such as the name of the run. Default: none.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to each call of `Axes.plot`.

    Returns
    -------
    Axes
        `ax`, with a logarithmic scale. The bound is a dashed line, and the measured growth is a
        solid line.

    Raises
    ------
    StripeError
        If a table lacks a column, has no rows, or has texts instead of numbers.

    Notes
    -----
    The bound multiplies the worst cases of all blocks, so it is loose by orders of magnitude. A
    network with a lower bound than another can still amplify noise more.

    References
    ----------
    Equation 9.

    Examples
    --------
    >>> ax = stripe.plots.noise_bound({"SE": stripe.noise_bound(model, images)})
    """
    tables = {"": data} if isinstance(data, pd.DataFrame) else data
    tables = {
        literal(name): with_columns(table, ["bound", "cumulated"], of="stripe.noise_bound")
        for name, table in tables.items()
    }
    ax = axes_or_new(ax)
    networks = []
    for series, (name, table) in zip(series_styles(len(tables)), tables.items(), strict=True):
        depth = np.arange(1, len(table) + 1)
        # At most ten markers; one block is a point, and a line through one point is invisible.
        every = -(-len(table) // 10)
        style = {**series, "linewidth": 1.2, "markersize": 3, "markevery": every, **kwargs}
        ax.plot(depth, table["bound"], **{"linestyle": "--", "label": f"{name} bound", **style})
        networks += ax.plot(depth, table["cumulated"], **{"label": name, **style})
    ax.set(yscale="log", xlabel="block", ylabel="growth of noise\n(dashed: bound)")
    blocks = max(len(table) for table in tables.values())
    ax.xaxis.set_major_locator(integer_ticks(blocks, nbins=8))
    legend_above(ax, networks if isinstance(data, Mapping) else [], heading=literal(heading))
    return ax
