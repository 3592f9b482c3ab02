"""The channels of gates that were exactly 0, or exactly 1, for every recorded image."""

import pandas as pd

from stripe.errors import RecordingError, StripeError
from stripe.gates.freezing.means import Means, check_columns
from stripe.recording import Recorded, open_recording
from stripe.stats import channel_moments


def moments_of(data: Means, epoch: int | None) -> pd.DataFrame:
    """Return the moments of one epoch of recorded gates. Default: the last epoch.

    Raises
    ------
    StripeError
        If `data` holds vectors, which do not give the range of a channel.
    RecordingError
        If there is no such epoch.
    """
    if isinstance(data, Recorded):
        recording = open_recording(data)
        return channel_moments(recording, [recording.last_epoch if epoch is None else epoch])
    if not isinstance(data, pd.DataFrame):
        raise StripeError(
            'constants="exact" need the range of every channel: a recording, or the table of '
            f"stripe.stats.channel_moments, got {type(data).__name__}"
        )
    check_columns(data, "epoch", "gate", "channel", "n", "min", "max")
    chosen = data[data["epoch"] == (data["epoch"].max() if epoch is None else epoch)]
    if chosen.empty:
        raise RecordingError(
            f"the moments hold no epoch {epoch}; they hold {sorted(set(data['epoch']))}"
        )
    chosen.attrs |= data.attrs
    return chosen


def saturated(moments: pd.DataFrame) -> pd.DataFrame:
    """Return the channels that were exactly 0, or exactly 1, for every image.

    Parameters
    ----------
    moments
        The table of `stripe.stats.channel_moments`, of one epoch.

    Returns
    -------
    DataFrame
        gate, channel, value (0 or 1), n (number of images), and at_most, the upper end of a
        one-sided 95 % interval for the share of images in which the channel has another value: `1 -
        0.05^(1/n)`, Clopper and Pearson's interval for 0 of n.
    """
    same = moments["min"] == moments["max"]
    found = moments[same & moments["min"].isin((0.0, 1.0))]
    table = found[["gate", "channel", "n"]].assign(value=found["min"].astype(int))
    table["at_most"] = 1 - 0.05 ** (1 / table["n"])
    return table[["gate", "channel", "value", "n", "at_most"]].reset_index(drop=True)
