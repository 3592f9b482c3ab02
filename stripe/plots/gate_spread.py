"""The spread of each gate over images, from the first layer to the last."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from stripe.errors import StripeError
from stripe.plots.axes import axes_or_new, label_beside, legend_above, name_above, note_if_blank
from stripe.plots.by_gate import forward_order, gate_positions, of_table
from stripe.plots.choose import said
from stripe.plots.literal import shown_runs
from stripe.plots.ticks import unit_of
from stripe.recording import Recorded
from stripe.registry import listed
from stripe.stats import channel_moments
from stripe.typed import typed

#: Width of the boxes of a gate, as a share of the distance between gates.
_WIDTH = 0.7


@typed
def gate_spread(
    data: Recorded | Sequence[Recorded] | pd.DataFrame,
    *,
    names: Sequence[str] | None = None,
    epoch: int | Sequence[int] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the spread of the channels of each gate over images, by depth.

    Parameters
    ----------
    data
        A recording, several recordings, or their table from `channel_moments`.
    names
        Name of each recording. Default: the parts of their paths that differ.
    epoch
        Epoch for all recordings, or one for each. Default: the last of each.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.bxp`, which draws the boxes.

    Returns
    -------
    Axes
        `ax`. For each gate, in forward order, a box shows the standard deviations of its channels
        (median, quartiles, 5th and 95th percentiles). With several recordings, the boxes of gates
        with the same name are side by side, and each recording has its own colour.

    Raises
    ------
    RecordingError, StripeError
        If an epoch is missing, a recording has no channel gates, two names are equal, there is not
        one name or epoch per recording, or the table lacks a column.

    Notes
    -----
    Channels with values that are not finite have no spread, and are left out.

    If the spread of all channels is near zero, the gate is nearly the same for every image. How a
    spread affects the output depends on the later layers. Freeze the gate to measure the effect.
    Gates with the same name in two networks need not have the same function.

    References
    ----------
    Figure 2b, for all gates at once.

    Examples
    --------
    >>> ax = stripe.plots.gate_spread(recording)
    """
    if isinstance(data, pd.DataFrame):
        runs = of_table(data, ("std",), names, epoch, of="stripe.stats.channel_moments")
        heading = ""
    else:
        shown = shown_runs(data, names=names, epoch=epoch)
        runs = {name: channel_moments(run, [number]) for name, run, number in shown}
        heading = said(shown)
    gates = gate_positions(runs.values())
    if empty := [name for name, table in runs.items() if table.empty]:
        raise StripeError(
            f"there is nothing to draw: no channel gates are recorded in {listed(empty)}"
        )
    ax = axes_or_new(ax)
    colours: list[Any] = (
        ["#9ecae1"] if len(runs) == 1 else [*sns.color_palette("colorblind", len(runs))]
    )
    width = _WIDTH / len(runs)
    for number, (colour, table) in enumerate(zip(colours, runs.values(), strict=True)):
        shift = (number - (len(runs) - 1) / 2) * width
        places = {gate: place + shift for gate, place in gates.items()}
        _draw_boxes(ax, table, places, width, colour, kwargs)
    forward_order(ax, gates)
    note_if_blank(ax, *(table["std"] for table in runs.values()))
    ax.set_ylim(bottom=0)
    ax.set_xlabel(f"{ax.get_xlabel()}\nwhiskers: 5 to 95 % of channels")
    label_beside(ax, f"std over images{unit_of(ax.yaxis)}")
    if len(runs) == 1:
        name_above(ax, heading)
    else:
        faces = zip(runs, colours, strict=True)
        handles = [Patch(facecolor=colour, label=name) for name, colour in faces]
        legend_above(ax, handles, heading=heading)
    return ax


def _draw_boxes(
    ax: Axes,
    table: pd.DataFrame,
    places: dict[str, float],
    width: float,
    colour: Any,
    kwargs: dict[str, Any],
) -> None:
    """Draw a box for each gate of one recording, at its place."""
    of_gate = {str(gate): std.to_numpy() for gate, std in table.groupby("gate", sort=False)["std"]}
    style = {"showfliers": False, "widths": width, "patch_artist": True, "showcaps": False}
    face = {"boxprops": {"facecolor": colour, "linewidth": 0.5}}
    lines = {"medianprops": {"color": "black"}, "whiskerprops": {"linewidth": 0.6}}
    boxes = [_box(std) for std in of_gate.values()]
    positions = [places[gate] for gate in of_gate]
    ax.bxp(boxes, positions=positions, **{**style, **face, **lines, **kwargs})


def _box(std: np.ndarray) -> dict[str, float]:
    """Return the quantiles of the channels; NaN where all channels are NaN."""
    if np.isnan(std).all():
        return dict.fromkeys(("whislo", "q1", "med", "q3", "whishi"), np.nan)
    low, first, median, third, high = np.nanquantile(std, [0.05, 0.25, 0.5, 0.75, 0.95])
    return {"whislo": low, "q1": first, "med": median, "q3": third, "whishi": high}
