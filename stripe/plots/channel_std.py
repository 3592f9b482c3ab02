"""How widely each channel spreads over images, before and after attention."""

from typing import Any, get_args

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new
from stripe.plots.choose import Side, chosen_epoch, chosen_gate, one_of
from stripe.recording import Recorded, open_recording

BEFORE, AFTER = "before: features", "after: gate"


def channel_std(
    data: Recorded,
    *,
    gate: str | None = None,
    epoch: int | None = None,
    side: Side = "both",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the distribution over channels of the standard deviation over images.

    Parameters
    ----------
    data
        A recording; for "before", with pooled inputs.
    gate
        Which gate; by default the deepest.
    epoch
        Which epoch; by default the last.
    side
        "before": the global average of what the gate multiplies; "after": the gate; or both.
    ax
        Axes to draw on; by default new ones.
    **kwargs
        For `seaborn.histplot`: `bins`, `palette` and so on.

    Returns
    -------
    Axes
        `ax`: a histogram per side, on common bins, each of height 1 in all.

    Raises
    ------
    RecordingError
        If the epoch or, for "before", the pooled inputs were not recorded.
    UnknownNameError
        If there is no such gate.

    Notes
    -----
    The two distributions are in different units, features and gate values, so "after lies nearer
    to zero" follows in part from the range of a sigmoid. Common bins over the wider of the two
    make a narrow distribution look like one bar; give `log_scale=True` to see into it.

    References
    ----------
    Figure 2b.

    Examples
    --------
    >>> ax = stripe.plots.channel_std(recording, side="after")
    """
    data = open_recording(data)
    one_of("side", side, get_args(Side))
    name, number = chosen_gate(data, gate), chosen_epoch(data, epoch)
    sides = {}
    if side != "after":
        sides[BEFORE] = data.inputs(name, number)
    if side != "before":
        sides[AFTER] = data.values(name, number)
    spread = pd.DataFrame(
        {side: values.astype(np.float64).std(axis=0) for side, values in sides.items()}
    )
    ax = axes_or_new(ax)
    options = {"bins": 40, "stat": "proportion", "common_norm": False, "element": "step"}
    sns.histplot(spread, ax=ax, **{"palette": "colorblind", **options, **kwargs})
    ax.set(xlabel="standard deviation over images", ylabel="share of channels")
    # Above, since the distributions may lie anywhere below.
    if ax.get_legend() is not None:
        sns.move_legend(ax, "lower left", bbox_to_anchor=(0, 1), frameon=False)
    if not kwargs.get("log_scale"):
        ax.set_xlim(left=0)
    return ax
