"""A statistic of two runs gate by gate, and the difference with its interval."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new, legend_above, letter, wrapped
from stripe.plots.by_gate import forward_order
from stripe.plots.choose import one_of
from stripe.plots.literal import literal
from stripe.recording import Recorded
from stripe.registry import listed
from stripe.stats.comparison import STATISTICS, ComparedRuns
from stripe.stats.comparison import compare as compared
from stripe.typed import typed

#: The axis labels of each statistic and of its difference.
_LABELS = {
    "eta2": r"$\eta^2$",
    "between_var": "variance\nbetween channels",
    "within_var": "variance\nwithin channels",
    "median_std": "median std\nover images",
}
#: Left, bottom, width and height of the two panels, as shares of the axes.
_VALUES, _DIFFERENCE = (0, 0.56, 1, 0.44), (0, 0, 1, 0.44)
#: Letters beside a panel that fit in its height.
_LETTERS = 24
#: Room for a marker above the highest value, as a share of the axis.
_ROOM = 0.06
#: Distance of the two points of a gate, as a share of the distance between gates.
_SHIFT = 0.12


@typed
def compare(
    data: pd.DataFrame | Recorded | Sequence[ComparedRuns],
    *,
    statistic: str = "eta2",
    names: Sequence[str] | None = None,
    epoch: int | Sequence[int] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw a stripe statistic of each gate of two runs, and the difference between the runs.

    Parameters
    ----------
    data
        The table of `stripe.compare`, or two sides, as `data` of `stripe.compare`.
    statistic
        Statistic to draw: eta2, between_var, within_var or median_std.
    names, epoch
        As for `stripe.compare`. They cannot be combined with a table.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to each call of `Axes.plot` and `Axes.errorbar`.

    Returns
    -------
    Axes
        `ax`, with two panels as `child_axes`. The upper panel shows the statistic of both runs for
        each gate, in forward order. The lower panel shows the second run minus the first, with its
        interval. Gates are named if their names fit, and numbered otherwise.

    Raises
    ------
    StripeError
        As for `stripe.compare`, or if there is no such statistic.

    Notes
    -----
    The panels have different scales. Each interval is for one gate alone, so among many gates some
    intervals exclude zero by chance.

    Examples
    --------
    >>> table = stripe.compare([recording, recording], names=["SE", "again"])
    >>> ax = stripe.plots.compare(table)
    """
    one_of("statistic", statistic, STATISTICS)
    table = data if isinstance(data, pd.DataFrame) else compared(data, names=names, epoch=epoch)
    rows = table[table["statistic"] == statistic]
    of_runs = [str(name) for name in table.columns[2:4]]
    ax = axes_or_new(ax, height=2.6)
    ax.set_axis_off()
    top, bottom = ax.inset_axes(_VALUES), ax.inset_axes(_DIFFERENCE)
    places = np.arange(1, len(rows) + 1)
    style = {"linestyle": "", "markersize": 3.5, **kwargs}
    shifts, colours = (-_SHIFT, _SHIFT), sns.color_palette("colorblind", 2)
    for name, shift, colour, marker in zip(of_runs, shifts, colours, "os", strict=True):
        point = {"label": literal(name), "color": colour, "marker": marker, **style}
        top.plot(places + shift, rows[name].to_numpy(dtype=float), **point)
    difference = rows["difference"].to_numpy(dtype=float)
    ends = np.stack([difference - rows["low"], rows["high"] - difference])
    bottom.errorbar(
        places,
        difference,
        yerr=None if np.isnan(ends).all() else np.maximum(ends, 0),
        **{"color": "black", "marker": "o", "elinewidth": 0.9, "capsize": 4, **style},
    )
    bottom.axhline(0, color="0.6", linewidth=0.6, zorder=0)
    letter(top, "a")
    letter(bottom, "b")
    _label(
        top,
        bottom,
        rows["gate"].tolist(),
        _LABELS[statistic],
        [literal(name) for name in of_runs],
        table.attrs,
    )
    return ax


def _label(
    top: Axes, bottom: Axes, gates: list[str], label: str, names: list[str], about: dict[Any, Any]
) -> None:
    """Label both panels: the gates, the statistic and the interval."""
    for panel in (top, bottom):
        forward_order(panel, gates)
    top.set(xlabel="", ylabel=label)
    low, high = min(0, top.get_ylim()[0]), top.get_ylim()[1]  # nothing is negative but by rounding
    top.set_ylim(low, high + _ROOM * (high - low))
    top.tick_params(labelbottom=False)
    over = ""
    if "over" in about:
        numbers = " and ".join(str(number) for number in dict.fromkeys(about["n"]))
        epochs = sorted({epoch for side in about["epochs"] for epoch in side})
        over = (
            f"\n{100 * about['level']:g} % interval over {about['over']}, n = {numbers}"
            f"\nepoch{'s' * (len(epochs) > 1)} {listed(list(map(str, epochs)))}"
        )
    what = label.replace("\n", " ")
    bottom.set(
        xlabel=f"gate, in forward order{over}",
        ylabel=wrapped(f"{what}: {names[1]} minus {names[0]}", _LETTERS),
    )
    legend_above(top)
