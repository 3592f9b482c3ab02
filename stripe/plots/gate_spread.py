"""How much each gate depends on the image, from the first layer to the last."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe.errors import StripeError
from stripe.plots.axes import axes_or_new
from stripe.recording import Recorded
from stripe.registry import listed
from stripe.stats import channel_moments


def gate_spread(
    data: Recorded | pd.DataFrame,
    *,
    epoch: int | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the spread of the channels of every gate over images, by depth.

    Parameters
    ----------
    data
        A recording, or the table that `channel_moments` made of one.
    epoch
        Which epoch; by default the last.
    ax
        Axes to draw on; by default new ones.
    **kwargs
        For `Axes.bxp`, which draws the boxes.

    Returns
    -------
    Axes
        `ax`: for each gate, in forward order, a box of the standard deviations of its channels
        (median, quartiles, 5th and 95th percentile).

    Notes
    -----
    A spread near zero means that the gate is the same for every image. How much of a spread matters
    depends on what follows; freezing the gate tells.

    References
    ----------
    Figure 2b, for all gates at once.

    Examples
    --------
    >>> ax = stripe.plots.gate_spread(recording)
    """
    table = data if isinstance(data, pd.DataFrame) else channel_moments(data)
    if table.empty:
        raise StripeError("there is nothing to draw: no channel gates, or no epoch, are recorded")
    recorded = sorted(table["epoch"].unique())
    table = table[table["epoch"] == (recorded[-1] if epoch is None else epoch)]
    if table.empty:
        raise StripeError(
            f"there is no epoch {epoch}; recorded: {listed(list(map(str, recorded)))}"
        )
    boxes = [_box(std.to_numpy()) for _, std in table.groupby("gate", sort=False)["std"]]
    ax = axes_or_new(ax)
    style = {"showfliers": False, "widths": 0.7, "patch_artist": True}
    face = {"boxprops": {"facecolor": "#9ecae1", "linewidth": 0.5}}
    lines = {"medianprops": {"color": "black"}, "whiskerprops": {"linewidth": 0.6}}
    positions = np.arange(1, len(boxes) + 1)
    ax.bxp(boxes, positions=positions, **{**style, **face, **lines, "showcaps": False, **kwargs})
    ax.set(xlabel="gate, in forward order", ylabel="std over images")
    shown = positions[:: max(1, -(-len(boxes) // 12))]
    ax.set_xticks(shown, [str(number) for number in shown])
    ax.set_ylim(bottom=0)
    return ax


def _box(std: np.ndarray) -> dict[str, float]:
    low, first, median, third, high = np.nanquantile(std, [0.05, 0.25, 0.5, 0.75, 0.95])
    return {"whislo": low, "q1": first, "med": median, "q3": third, "whishi": high}
