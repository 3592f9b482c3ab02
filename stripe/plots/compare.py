"""A statistic of two runs gate by gate, and the difference with its interval."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from stripe.defaults import LEVEL, RESAMPLES
from stripe.errors import StripeError
from stripe.plots.axes import (
    axes_or_new,
    grow,
    height_of,
    label_beside,
    legend_above,
    letter,
    letters_in,
    name_above,
    note_if_blank,
    wrapped,
)
from stripe.plots.by_gate import forward_order
from stripe.plots.choose import one_of, with_columns
from stripe.plots.literal import literal, quoted
from stripe.plots.ticks import unit_of
from stripe.recording import Recorded
from stripe.stats.comparison import STATISTICS
from stripe.stats.comparison import compare as compared
from stripe.stats.sides import ComparedRuns
from stripe.typed import typed

#: The axis label of each statistic.
_LABELS = {
    "eta2": r"$\eta^2$",
    "between_var": "variance between channels",
    "within_var": "variance within channels",
    "median_std": "median std over images",
}
#: Columns of a table of `stripe.compare` besides those of the two sides.
_WORDS, _NUMBERS = ("gate", "statistic"), ("difference", "low", "high")
#: Room for a marker beyond the lowest and the highest value, as a share of the axis.
_ROOM = 0.06
#: Distance of the two points of a gate, as a share of the distance between gates.
_SHIFT = 0.12
#: The value of one run among several.
_RUN: dict[str, Any] = {
    "marker": ".",
    "linestyle": "",
    "markersize": 2.5,
    "alpha": 0.5,
    "zorder": 1,
}
#: Number of gates for which a figure is as wide as for one panel more, and points of all caps.
_ROWS_PER_PANEL, _CAPS = 8, 40


@typed
def compare(
    data: pd.DataFrame | Recorded | Sequence[ComparedRuns],
    *,
    statistic: str = "eta2",
    names: Sequence[str] | None = None,
    epoch: int | Sequence[int] | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw a stripe statistic of each gate of two runs, and the difference between the runs.

    Parameters
    ----------
    data
        The table of `stripe.compare`, or two sides, as for the parameter `data` of
        `stripe.compare`.
    statistic
        Statistic to draw: eta2, between_var, within_var or median_std.
    names, epoch, resamples, level, seed
        As for `stripe.compare`; ignored for a table, which has its own names, epochs and intervals.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.plot` and `Axes.errorbar` for values and differences, but not for the points
        of single recordings.

    Returns
    -------
    Axes
        `ax`, with two panels as `child_axes`. The upper panel shows the statistic of both runs for
        each gate, in forward order. For lists of recordings, it shows the mean of each list, and
        the value of each recording as a small point. For eta2, the axis always covers 0 to 1. The
        lower panel shows the second run minus the first, with its interval. Gates are named if
        their names fit, and numbered otherwise. If the epochs of the two sides differ, the legend
        gives the epochs.

    Raises
    ------
    RecordingError, StripeError
        As for `stripe.compare`; also if there is no such statistic, or if a table does not come
        from `stripe.compare` or has no rows for the statistic.

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
    if isinstance(data, pd.DataFrame):
        table = data
    else:
        how: dict[str, Any] = {"resamples": resamples, "level": level, "seed": seed}
        table = compared(data, names=names, epoch=epoch, **how)
    sides = _sides(table)
    rows = table[table["statistic"] == statistic]
    if rows.empty:
        raise StripeError(
            f"the table must have rows of the statistic {statistic}, and has those of "
            f"{', '.join(map(str, table['statistic'].unique()))}; choose one of these, or give the "
            "whole table of stripe.compare"
        )
    ax = axes_or_new(ax, height=2.6, panels=len(rows) // _ROWS_PER_PANEL)
    first, second = (literal(str(side)) for side in sides)
    top, bottom = _panels(ax, f"{quoted(second)} minus {quoted(first)}")
    places = np.arange(1, len(rows) + 1)
    style = {"linestyle": "", "markersize": 3.5, **kwargs}
    colours = sns.color_palette("colorblind", 2)
    labels = _with_epochs([first, second], table.attrs.get("epochs"))
    series = zip(sides, labels, (-_SHIFT, _SHIFT), colours, "os", strict=True)
    of_runs = table.attrs.get("runs", {})
    for number, (side, label, shift, colour, marker) in enumerate(series):
        point = {"label": label, "color": colour, "marker": marker, **style}
        top.plot(places + shift, rows[side].to_numpy(dtype=float), **point)
        if set(rows["gate"]) <= set(of_runs):  # unless the user has renamed gates
            values = [of_runs[gate][statistic][number] for gate in rows["gate"]]
            beside = np.repeat(places + 2.2 * shift, [*map(len, values)])
            top.plot(beside, np.concatenate(values), **{"color": colour, **_RUN})
    difference = rows["difference"].to_numpy(dtype=float)
    ends = np.stack([difference - rows["low"], rows["high"] - difference])
    bottom.errorbar(
        places,
        difference,
        yerr=None if np.isnan(ends).all() else np.maximum(ends, 0),
        **{
            "color": "black",
            "marker": "o",
            "elinewidth": 0.9,
            "capsize": min(4, _CAPS / len(rows)),
            **style,
        },
    )
    bottom.axhline(0, color="0.6", linewidth=0.6, zorder=0)
    note_if_blank(top, rows[sides])
    note_if_blank(bottom, difference)
    # Nothing is negative but by rounding, and every eta2 is on one scale.
    low, high = min(0, top.get_ylim()[0]), 1 if statistic == "eta2" else top.get_ylim()[1]
    room = _ROOM * (high - low)
    top.set_ylim(low - room, high + room)
    for panel, label in ((top, _LABELS[statistic]), (bottom, "difference")):
        forward_order(panel, rows["gate"])
        label_beside(panel, label + unit_of(panel.yaxis))
    top.set_xlabel("")
    top.tick_params(labelbottom=False)
    bottom.set_xlabel(f"gate, in forward order{_interval(table.attrs)}")
    legend_above(top)
    return ax


def _sides(table: pd.DataFrame) -> list[Any]:
    """Return the columns of the two sides."""
    sides: list[Any] = [name for name in table if name not in (*_WORDS, *_NUMBERS)][:2]
    sides += ["<first side>", "<second side>"][len(sides) :]  # named as missing
    with_columns(table, [*_WORDS, *sides, *_NUMBERS], names=_WORDS, of="stripe.compare")
    return sides


def _panels(ax: Axes, title: str) -> tuple[Axes, Axes]:
    """Split `ax` into two panels, the lower one with a title."""
    ax.set_axis_off()
    lines = wrapped(title, letters_in(ax)).count("\n") + 1
    grow(ax, lines - 1)
    inches = ax.get_window_extent().height / ax.figure.dpi
    height = (1 - min(0.5, height_of(lines) / inches)) / 2
    top, bottom = (ax.inset_axes((0, at, 1, height)) for at in (1 - height, 0))
    letter(top, "a")
    letter(bottom, "b")
    name_above(bottom, title)
    return top, bottom


def _with_epochs(names: list[str], epochs: Sequence[Sequence[int]] | None) -> list[str]:
    """Return the names of the sides, with their epochs if these differ."""
    if epochs is None or epochs[0] == epochs[1]:
        return names
    said = [_epochs([of_side]) for of_side in epochs]
    pairs = zip(names, said, strict=True)
    return [name if name.endswith(at) else f"{name} ({at})" for name, at in pairs]


def _epochs(epochs: Sequence[Sequence[int]]) -> str:
    """Write the epochs of the sides, in the order of the sides."""
    sides = dict.fromkeys(", ".join(map(str, of_side)) for of_side in epochs)
    said = " and ".join(sides)
    return f"epoch{'s' * (not said.isdigit())} {said}"


def _interval(about: Mapping[Any, Any]) -> str:
    """Return lines that say what the intervals and the epochs are, if the table knows."""
    if "over" not in about:
        return ""
    numbers = " and ".join(str(number) for number in dict.fromkeys(about["n"]))
    level = f"{100 * about['level']:g} % interval over {about['over']}, n = {numbers}"
    if about.get("unpaired"):
        level += ", not in pairs"
    left_out = len(about.get("left_out", ()))
    without = f", without {left_out} gate{'s' * (left_out > 1)} of one side" if left_out else ""
    return f"\n{level}\n{_epochs(about['epochs'])}{without}"
