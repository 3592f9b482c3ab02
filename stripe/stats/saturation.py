"""The share of channels that are always off or always on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stripe.defaults import HIGH, LOW
from stripe.errors import StripeError
from stripe.recording import Recorded
from stripe.stats.moments import Over, moments_of
from stripe.stats.read_ahead import in_pairs
from stripe.typed import typed


@typed
def saturation(
    data: Recorded | Sequence[Recorded] | pd.DataFrame,
    *,
    low: float = LOW,
    high: float = HIGH,
    over: Over = in_pairs,
) -> pd.DataFrame:
    """Compute the shares of each gate's channels that are near 0, or near 1, for every image.

    Parameters
    ----------
    data, over
        As for `stripe_index`.
    low
        A channel is off if its gate is between -low and low for every image.
    high
        A channel is on if its gate is between high and 2 - high, a range around 1, for every image.

    Returns
    -------
    DataFrame
        One row per epoch and gate: epoch, gate, channels; off, on (shares of channels, 0 to 1);
        stuck, the share of channels that do not vary at all. A channel with a value of NaN counts
        in none of these shares. If `data` is a list, the first column is `recording`, the path.

    Raises
    ------
    StripeError
        If `low` and `high` do not satisfy 0 <= low < high <= 1, or the table lacks a column.
    RecordingError
        As for `channel_moments`.

    Notes
    -----
    With `low=0` and `high=1`, a channel that is off can be pruned, and a channel that is on needs
    no gate. These changes do not affect the outputs for the recorded images. For other images, such
    a channel may have other values. A recording of only some of the images gives equal or larger
    shares.

    Examples
    --------
    >>> table = stripe.stats.saturation(recording)
    """
    if not 0 <= low < high <= 1:
        raise StripeError(f"bounds must have 0 <= low < high <= 1, got {low} and {high}")
    moments = moments_of(data, over, "min", "max")
    keys = [name for name in ("recording", "epoch", "gate") if name in moments]
    least, most = moments["min"], moments["max"]
    states = moments[keys].assign(
        off=(least >= -low) & (most <= low),
        on=(least >= high) & (most <= 2 - high),
        stuck=least == most,
    )
    grouped = states.groupby(keys, sort=False)
    table = grouped[["off", "on", "stuck"]].mean().astype(np.float64)
    table.insert(0, "channels", grouped.size())
    return table.reset_index()
