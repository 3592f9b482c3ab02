"""The stripe index: the share of variance between channels, from the moments of `moments.py`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from stripe.recording import Recorded
from stripe.stats.moments import Over, moments_of
from stripe.stats.read_ahead import in_pairs
from stripe.stats.unwarned import unwarned
from stripe.typed import typed

COLUMNS = ["epoch", "gate", "eta2", "between_var", "within_var", "median_std", "one_value"]

#: Relative to the values: a standard deviation below it is rounding of float32, in which gates are
#: recorded.
ROUNDING = 4 * float(np.finfo(np.float32).eps)


def index_row(
    mean: Float[np.ndarray, " channels"], std: Float[np.ndarray, " channels"], n_images: int
) -> tuple[float, float, float, float, bool]:
    """Return eta2, the variances between and within channels, the median spread, and constancy.

    One image has no spread, so all numbers are NaN.
    """
    if n_images < 2:
        return np.nan, np.nan, np.nan, np.nan, False
    *moments, constant = index_arrays(mean[None], std[None])
    eta2, between, within, median_std = (float(moment[0]) for moment in moments)
    return eta2, between, within, median_std, bool(constant[0])


@unwarned
def index_arrays(
    mean: Float[np.ndarray, "samples channels"], std: Float[np.ndarray, "samples channels"]
) -> tuple[np.ndarray, ...]:
    """Return eta2, the variances between and within channels, the median spread, and constancy.

    By the law of total variance over all images and channels, with population moments:
    `total = var_c(mean_c) + mean_c(std_c ** 2)`, and `eta2 = between / total`; 1 where the total is
    no more than rounding. Each is an array over samples.
    """
    between, within = np.var(mean, axis=-1), np.mean(np.square(std), axis=-1)
    total = between + within
    constant = total <= ROUNDING**2 * np.mean(np.square(mean), axis=-1)
    eta2 = np.where(constant, 1.0, between / np.where(constant, 1.0, total))
    return eta2, between, within, np.median(std, axis=-1), constant


@typed
@unwarned
def eta2_of(values: Float[np.ndarray, "images channels"]) -> float:
    """Return the stripe index of one array of gate values (images, channels).

    The index is NaN for one image, or if a value is not finite.

    Examples
    --------
    >>> stripe.stats.eta2_of(np.array([[0.1, 0.9], [0.1, 0.9]]))  # a perfect stripe
    1.0
    """
    exact = values.astype(np.float64)
    return index_row(exact.mean(axis=0), exact.std(axis=0), len(exact))[0]


@typed
def stripe_index(
    data: Recorded | Sequence[Recorded] | pd.DataFrame, *, over: Over = in_pairs
) -> pd.DataFrame:
    """Compute the stripe index of each gate in each epoch.

    `eta2 = var_c(m_c) / (var_c(m_c) + mean_c(s_c^2))`, where `m_c` and `s_c` are the mean and the
    standard deviation of channel c over images.

    Parameters
    ----------
    data
        A recording or its directory, a list of them, or their table from `channel_moments`.
    over
        As for `channel_moments`; ignored for a table.

    Returns
    -------
    DataFrame
        One row per epoch and gate: epoch, gate, eta2, between_var (`var_c(m_c)`), within_var
        (`mean_c(s_c^2)`), median_std (the median of `s_c` over channels), one_value. If `data` is a
        list, the first column is `recording`, the path. `eta2` is 1 for a perfect stripe, in which
        no channel varies over images. It is 0 if all channels have the same mean over images,
        unless `one_value` is True. `one_value` is True for a gate with one value for all images and
        channels, up to the rounding of float32. Such a gate has no variance; since it does not
        depend on the image, its `eta2` is defined as 1.

    Raises
    ------
    StripeError
        If the table lacks a column.
    RecordingError
        As for `channel_moments`.

    Notes
    -----
    `eta2` answers "do channels differ more than images?", not "does the gate ignore the image?". A
    gate that varies strongly over images still has a high index if its channels have very different
    means. Therefore also look at `median_std` and at the cost of freezing the gate. For n images,
    `eta2` is too large by up to about `(1 - eta2) / n` (`stripe.compare` corrects its intervals for
    this). A gate with one channel has an index of 0 unless `one_value` is True. A mean of `eta2`
    over gates counts gates with one value, such as a saturated sigmoid, as perfect stripes. The
    column `one_value` marks them. All numbers are NaN for a gate with values that are not finite,
    and for a gate that was recorded for one image.

    References
    ----------
    The correlation ratio (Fisher, 1925); the Stripe Observation, Figure 2a and b.

    Examples
    --------
    >>> index = stripe.stats.stripe_index(recording)
    >>> index[index["epoch"] == 2]["eta2"].between(0, 1).all()
    np.True_
    """
    moments = moments_of(data, over, "n", "mean", "std")
    keys = [name for name in ("recording", "epoch", "gate") if name in moments]
    rows = []
    for key, channels in moments.groupby(keys, sort=False):
        mean, std = channels["mean"].to_numpy(), channels["std"].to_numpy()
        rows.append((*key, *index_row(mean, std, int(channels["n"].iloc[0]))))
    return pd.DataFrame(rows, columns=[*keys, *COLUMNS[2:]])


def index_text(eta2: float) -> str:
    """Write a stripe index with two digits, or with three or four if it is just below 1.

    >>> index_text(0.5), index_text(0.9973), index_text(0.99999), index_text(1.0)
    ('0.50', '0.997', '> 0.9999', '1.00')
    """
    written = (f"{eta2:.{digits}f}" for digits in (2, 3, 4))
    return next((text for text in written if not float(text) == 1 > eta2), "> 0.9999")
