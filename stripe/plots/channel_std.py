"""The distribution of the spread of channels, before and after attention (Figure 2b)."""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from stripe.plots.axes import axes_or_new, legend_above, name_above, note_if_blank
from stripe.plots.choose import Side, chosen_gate, one_of, said
from stripe.plots.literal import shown_runs
from stripe.plots.ticks import unit_of
from stripe.recording import Recorded
from stripe.stats.unwarned import unwarned
from stripe.typed import typed

BEFORE, AFTER = "before: features", "after: gate"
#: The outlines of the first run, the second and so on.
_DASHES = ("-", "--", ":", "-.")


@typed
def channel_std(
    data: Recorded | Sequence[Recorded],
    *,
    names: Sequence[str] | None = None,
    gate: str | None = None,
    epoch: int | Sequence[int] | None = None,
    side: Side = "both",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw a histogram of the standard deviations of the channels over images.

    Parameters
    ----------
    data
        A recording, or several; their histograms are overlaid in the same axes. With
        `side="before"` or "both", each recording must hold the pooled inputs (`inputs=True`).
    names
        Name of each recording. Default: the parts of their paths that differ.
    gate
        Name of the gate. Default: the deepest gate.
    epoch
        Epoch for all recordings, or one for each. Default: the last of each.
    side
        "before": the pooled inputs, which are the global average of the features that the gate
        multiplies; "after": the gate; or "both".
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `seaborn.histplot`: `bins`, `palette` and so on.

    Returns
    -------
    Axes
        `ax`, with a histogram per recording and side. All histograms have the same bins. The
        heights of each histogram sum to 1.

    Raises
    ------
    RecordingError
        If the epoch, the values or, for "before", the pooled inputs were not recorded; if two names
        are equal; or if there is not one name or epoch per recording.
    UnknownNameError
        If a recording has no such gate.
    StripeError
        If there is no such side.

    Notes
    -----
    The two distributions have different units: "before" shows features, and "after" shows gate
    values. The standard deviations of "after" are usually smaller, partly because a sigmoid has a
    small range. Since the bins cover both distributions, the narrower one can look like a single
    bar; `log_scale=True` shows its shape. Channels with values that are not finite are left out.

    References
    ----------
    Figure 2b.

    Examples
    --------
    >>> ax = stripe.plots.channel_std(recording, side="after")
    """
    one_of("side", side, get_args(Side))
    runs = shown_runs(data, names=names, epoch=epoch)
    name = chosen_gate(runs[0].recording, gate)
    sides = {}
    for run in runs:
        prefix = f"{run.name}, " if len(runs) > 1 else ""
        if side != "after":
            sides[prefix + BEFORE] = run.recording.inputs(name, run.epoch)
        if side != "before":
            sides[prefix + AFTER] = run.recording.values(name, run.epoch)
    # Networks may differ in their channels; missing values are in no bin.
    spread = pd.DataFrame({side: _spread(values) for side, values in sides.items()})
    ax = axes_or_new(ax)
    options = {"bins": 40, "stat": "proportion", "common_norm": False, "element": "step"}
    sns.histplot(spread, ax=ax, **{"palette": "colorblind", **options, **kwargs})
    note_if_blank(ax, spread)
    _dash(ax, len(runs))
    _move_legend(ax, said(runs, name))
    if not kwargs.get("log_scale"):
        ax.set_xlim(left=0)
    ax.set(xlabel=f"standard deviation over images{unit_of(ax.xaxis)}", ylabel="share of channels")
    return ax


@unwarned
def _spread(values: np.ndarray) -> pd.Series:
    return pd.Series(values.astype(np.float64).std(axis=0))


def _move_legend(ax: Axes, heading: str) -> None:
    """Put the legend of seaborn, if there is one, above `ax`, and the heading above that."""
    legend = ax.get_legend()
    if legend is None:
        name_above(ax, heading)
        return
    handles = [handle for handle in legend.legend_handles if handle is not None]
    for handle, text in zip(handles, legend.get_texts(), strict=True):
        handle.set_label(text.get_text())
    legend_above(ax, handles, heading=heading)


def _dash(ax: Axes, runs: int) -> None:
    """Give the outlines of every run a dash pattern, so that four histograms differ in grey."""
    legend = ax.get_legend()
    if runs == 1 or legend is None:
        return
    handles = [handle for handle in legend.legend_handles if isinstance(handle, Patch)]
    per_run = len(handles) // runs
    for number, handle in enumerate(handles):
        pattern = _DASHES[number // per_run % len(_DASHES)]
        drawn: list[Any] = [*ax.collections, *ax.patches]
        same = [one for one in drawn if _outline(one) == _outline(handle)]
        for artist in (handle, *same):
            artist.set_linestyle(pattern)


def _outline(artist: Any) -> tuple[float, ...]:
    red, green, blue, *_ = np.ravel(artist.get_edgecolor())
    return to_rgb((red, green, blue))
