"""How well each gate alone predicts the class of an image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe import stats
from stripe.defaults import FOLDS
from stripe.plots.axes import axes_or_new, note_if_blank
from stripe.plots.by_gate import forward_order, gate_positions, headed_legend, of_runs
from stripe.plots.series import series_styles
from stripe.recording import Recorded
from stripe.typed import typed

_COLUMNS = ("accuracy", "low", "high", "chance", "inputs")
#: Area in points squared of a marker of inputs, and the part of a gate's place that runs share.
_INPUTS, _WIDTH = 8, 0.5
#: Distance of the accuracy from the inputs to the right of that from the gate.
_BESIDE = 0.12


@typed
def class_information(
    data: Recorded | Sequence[Recorded] | pd.DataFrame,
    *,
    names: Sequence[str] | None = None,
    epoch: int | Sequence[int] | None = None,
    folds: int = FOLDS,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw how well each gate alone predicts the class, by depth.

    Parameters
    ----------
    data
        A recording with labels, several recordings, or the table of
        `stripe.stats.class_information` for one recording.
    names
        Name of each recording. Default: the parts of their paths that differ.
    epoch
        Epoch of all recordings, or one per recording. Default: the last of each.
    folds
        Number of folds, as for `stripe.stats.class_information`; ignored for a table.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.errorbar`, which draws the accuracies from gates.

    Returns
    -------
    Axes
        `ax`. For each gate, in forward order, it shows the accuracy (%) of the predictions from the
        gate, with a 95 % interval. It also shows the accuracy of the predictions from the pooled
        inputs, if they were recorded, as a hollow square, and the chance level as a line. Each
        recording has its own colour and marker.

    Raises
    ------
    RecordingError, StripeError
        As for `stripe.stats.class_information`; also if an epoch is missing, there are no channel
        gates, two names are equal, there is not one name or epoch per recording, or the table lacks
        a column or has two rows for a gate in one epoch.

    Notes
    -----
    A gate can contain information about the class that the network does not use. The class is
    predicted by a linear discriminant, so another classifier may reach higher accuracies: the gate
    may contain more information about the class than these accuracies show.

    Examples
    --------
    >>> ax = stripe.plots.class_information(recording, folds=2)
    """
    runs, heading = of_runs(
        data,
        lambda one, number: stats.class_information(one, [number], folds=folds),
        _COLUMNS,
        of="stripe.stats.class_information",
        names=names,
        epoch=epoch,
    )
    ax = axes_or_new(ax)
    gates, styles = gate_positions(runs.values()), series_styles(len(runs))
    shifts = (np.arange(len(runs)) - (len(runs) - 1) / 2) * _WIDTH / len(runs)
    for (name, table), shift, style in zip(runs.items(), shifts, styles, strict=True):
        places = table["gate"].map(gates) + shift
        label = name if len(runs) > 1 else "gate"
        _draw_accuracies(ax, places, table, {"label": label, **style, **kwargs})
    for chance in dict.fromkeys(float(table["chance"].iloc[0]) for table in runs.values()):
        label = "_" if len(ax.lines) > len(runs) else "chance"
        ax.axhline(100 * chance, color="gray", linewidth=0.8, linestyle="--", label=label)
    forward_order(ax, gates)
    note_if_blank(ax, *(table[["accuracy", "inputs"]] for table in runs.values()))
    ax.set(ylabel="accuracy of a gate (%)\nbars: 95 % intervals")
    ax.set_ylim(bottom=0)
    headed_legend(ax, heading)
    return ax


def _draw_accuracies(
    ax: Axes, places: pd.Series, table: pd.DataFrame, style: dict[str, Any]
) -> None:
    """Draw the accuracies of one run from gates, with intervals, and from inputs, hollow."""
    middle, low, high = (100 * table[name].to_numpy() for name in ("accuracy", "low", "high"))
    errors = np.clip([middle - low, high - middle], 0, None)
    style = {"linestyle": "", "markersize": 2.5, "elinewidth": 0.8, **style}
    drawn = ax.errorbar(places, middle, yerr=errors, **style)
    if table["inputs"].notna().any():
        colour = drawn.lines[0].get_color()
        places = places + _BESIDE  # a marker would cover one of the same accuracy
        before: Any = {"marker": "s", "s": _INPUTS, "facecolors": "none", "edgecolors": colour}
        if not any(other.get_label() == "inputs" for other in ax.collections):
            ax.scatter([], [], label="inputs", **{**before, "edgecolors": "gray"})  # of every run
        ax.scatter(places, 100 * table["inputs"], label="_", **before)
