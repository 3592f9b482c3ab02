"""How much of a gate is stripe: the share of its variance that lies between channels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from stripe.recording import Recorded
from stripe.stats.moments import Over, channel_moments

COLUMNS = ["epoch", "gate", "eta2", "between_var", "within_var", "median_std"]


def index_row(
    mean: Float[np.ndarray, " channels"], std: Float[np.ndarray, " channels"]
) -> tuple[float, float, float, float]:
    """Return eta2, the variance between and the variance within channels, and the median spread.

    By the law of total variance over all images and channels, with population moments:
    `total = var_c(mean_c) + mean_c(std_c ** 2)`, and `eta2 = between / total`.
    """
    between, within = float(np.var(mean)), float(np.mean(np.square(std)))
    total = between + within
    eta2 = between / total if total > 0 else float("nan")
    return eta2, between, within, float(np.median(std))


def eta2_of(values: Float[np.ndarray, "images channels"]) -> float:
    """Return the stripe index of one array of gates."""
    exact = values.astype(np.float64)
    return index_row(exact.mean(axis=0), exact.std(axis=0))[0]


def stripe_index(
    data: Recorded | Sequence[Recorded] | pd.DataFrame, *, over: Over = map
) -> pd.DataFrame:
    """Compute the stripe index of every gate in every epoch.

    `eta2 = var_c(m_c) / (var_c(m_c) + mean_c(s_c^2))`, with `m_c` and `s_c` the mean and the
    standard deviation of channel c over images.

    Parameters
    ----------
    data
        A recording or its directory, several, or the table that `channel_moments` made of them.
    over
        As for `channel_moments`.

    Returns
    -------
    DataFrame
        epoch, gate, eta2, between_var, within_var, median_std (over channels); of several
        recordings, recording comes first. `eta2` is 1 for a perfect stripe and 0 where the image
        decides everything; it is NaN for a gate whose every value is the same, since then there is
        no variance to share.

    Notes
    -----
    `eta2` answers "do channels differ more than images?", not "does the gate ignore the image?":
    a gate with large spread within channels still scores high if its channels lie far apart, and
    a gate with one channel scores 0 whatever it does. Look at `median_std` as well, and at what
    freezing the gate costs.

    References
    ----------
    The correlation ratio (Fisher, 1925); the Stripe Observation, Figure 2a and b.
    """
    moments = data if isinstance(data, pd.DataFrame) else channel_moments(data, over=over)
    keys = [name for name in ("recording", "epoch", "gate") if name in moments]
    rows = []
    for key, channels in moments.groupby(keys, sort=False):
        moment = index_row(channels["mean"].to_numpy(), channels["std"].to_numpy())
        rows.append((*key, *moment))
    return pd.DataFrame(rows, columns=[*keys, *COLUMNS[2:]])
