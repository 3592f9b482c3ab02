"""How many channels of each gate are always off, or always on."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe import stats
from stripe.defaults import HIGH, LOW
from stripe.plots.axes import note, note_if_blank
from stripe.plots.by_gate import headed_legend, of_runs, order_rows, rows_of_axes
from stripe.plots.series import FIRST, REST, SECOND
from stripe.recording import Recorded, Recording
from stripe.typed import typed

#: States of a channel, with the colour of its bar.
_STATES = {"off": FIRST, "on": SECOND, "stuck": REST}
#: Where the axis may end, in % of channels. An end below 100 is named at the axis.
_ENDS = (1, 2, 5, 10, 20, 50, 100)


@typed
def saturation(
    data: Recorded | Sequence[Recorded] | pd.DataFrame,
    *,
    names: Sequence[str] | None = None,
    low: float = LOW,
    high: float = HIGH,
    epoch: int | Sequence[int] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw, for each gate, the shares of its channels that are off, on or stuck for all images.

    Parameters
    ----------
    data
        A recording, several recordings, or the table of `stripe.stats.saturation` for one
        recording.
    names
        Name of each recording. Default: the parts of their paths that differ.
    low, high
        Bounds of off and on, as for `stripe.stats.saturation`; ignored for a table.
    epoch
        Epoch of all recordings, or one per recording. Default: the last of each.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.bar`.

    Returns
    -------
    Axes
        `ax`, with three bars (% of channels) side by side for each gate, in forward order. Several
        recordings are drawn one above the other, in the `child_axes` of `ax`, with the same scale.
        The axis begins at 0. It ends at the smallest of 1, 2, 5, 10, 20, 50 and 100 % that is not
        below the highest bar. If it ends below 100 %, its label gives the end.

    Raises
    ------
    RecordingError, StripeError
        As for `stripe.stats.saturation`; also if an epoch is missing, there are no channel gates,
        two names are equal, there is not one name or epoch per recording, the table lacks a column
        or has two rows for a gate in one epoch, or there are more than 8 recordings.

    Notes
    -----
    A stuck channel can also be off or on, so the bars of a gate may add up to more than 100 %. If
    further images are added, the shares stay equal or become smaller, because a channel may have
    another value for these images. The axes of two pictures may end at different values, so read
    where they end before you compare bars. In a gate with few channels, one channel is a large
    share.

    Examples
    --------
    >>> ax = stripe.plots.saturation(recording, low=0.1, high=0.9)
    """

    def counted(recording: Recording, number: int) -> pd.DataFrame:
        return stats.saturation(stats.channel_moments(recording, [number]), low=low, high=high)

    near = {"off": f"within {low:g} of 0", "on": f"within {1 - high:g} of 1"}
    bounds = {} if isinstance(data, pd.DataFrame) else near
    runs, heading = of_runs(
        data, counted, tuple(_STATES), of="stripe.stats.saturation", names=names, epoch=epoch
    )
    ax, rows = rows_of_axes(ax, list(runs))
    for row, table in zip(rows, runs.values(), strict=True):
        places = np.arange(1, len(table) + 1)
        for shift, (state, colour) in zip((-0.27, 0.0, 0.27), _STATES.items(), strict=True):
            label = f"{state} ({bounds[state]})" if state in bounds else state
            style = {"width": 0.27, "label": label, "color": colour, **kwargs}
            row.bar(places + shift, 100 * table[state], **style)
        if not table[list(_STATES)].to_numpy().any():
            note(row, "no channel is off, on or stuck")
        note_if_blank(row, table[list(_STATES)])
    end = _end(runs.values())
    order_rows(rows, runs.values(), "channels (%)" + (f"\naxis ends at {end} %" * (end < 100)))
    for row in rows:  # one scale
        row.set_ylim(0, end)
    headed_legend(rows[0], heading)
    return ax


def _end(tables: Iterable[pd.DataFrame]) -> int:
    """Return the smallest end of an axis that cuts no bar off."""
    highest = 100 * max(table[list(_STATES)].to_numpy(dtype=float).max() for table in tables)
    return next((end for end in _ENDS if end >= highest), _ENDS[-1])
