"""The shares of channel, class and image in the variance of a gate."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from stripe.recording import Recorded
from stripe.stats.per_gate import labels_of, per_gate
from stripe.stats.stripe_index import index_row
from stripe.stats.unwarned import unwarned
from stripe.typed import typed

#: The parts of the variance of a gate.
PARTS = ("channel", "class", "image")
_COLUMNS = ["eta2", "omega2", "icc", *PARTS, "class_icc"]


@typed
def variance_components(recording: Recorded, epochs: Iterable[int] | None = None) -> pd.DataFrame:
    """Split the variance of each gate into the parts of channel, class and image.

    The model is nested: `v = mean + channel_c + class_ck + image_cki`, for channel c, class k
    within the channel, and image i within both. The variances of the parts are estimated without
    bias, from the mean squares of an analysis of variance.

    Parameters
    ----------
    recording
        A recording with values. The share of the class needs labels. One gate at a time is loaded
        into memory.
    epochs
        Epochs. Default: all.

    Returns
    -------
    DataFrame
        One row per epoch and gate:

        - epoch, gate;
        - eta2: the share between channels, as in `stripe_index`;
        - omega2: the same share, corrected for the bias due to the finite number of images;
        - icc: the intraclass correlation of two images in the same channel (one-way, ICC(1));
        - channel, class, image: the shares of the three parts, which sum to 1. Without labels, with
          a single class, or with one image of each class, `class` is NaN and `image` includes the
          share of the class;
        - class_icc: the share of the class in the variance within channels; NaN if `class` is NaN.

    Raises
    ------
    RecordingError
        If the recording has no values, an epoch was not recorded, or some images have labels and
        others do not.

    Notes
    -----
    If the true share is 0, its estimate is often negative, because the estimates of the variance
    components are unbiased. All numbers are NaN for one image, for a gate with values that are not
    finite, and for a gate with one value (up to the rounding of float32). In `stripe_index`, the
    eta2 of a gate with one value is 1. For one channel, icc and channel are NaN. The interaction of
    channel and class is part of `class`.

    References
    ----------
    Omega squared: Hays, "Statistics for Psychologists", 1963. ICC(1): Shrout and Fleiss,
    "Intraclass Correlations", 1979. Unbalanced nested designs: Searle, Casella and McCulloch,
    "Variance Components", 1992, section 3.6.

    Examples
    --------
    >>> table = stripe.stats.variance_components(recording)
    """
    rows = []
    labels: dict[int, np.ndarray | None] = {}
    for epoch, gate, values in per_gate(recording, epochs):
        if epoch not in labels:
            labels[epoch] = labels_of(recording, epoch)
        shares = components_of(values, labels[epoch])
        rows.append({"epoch": epoch, "gate": gate, **shares})
    return pd.DataFrame(rows, columns=["epoch", "gate", *_COLUMNS])


@unwarned
def components_of(
    values: Float[np.ndarray, "images channels"], labels: Int[np.ndarray, " images"] | None
) -> dict[str, float]:
    """Return the columns of `variance_components` of one array of gates."""
    v = values.astype(np.float64)
    n, channels = v.shape
    mean = v.mean(0)
    if n == 1 or index_row(mean, v.std(0), n)[-1]:
        return dict.fromkeys(_COLUMNS, float("nan"))
    between, within = n * np.square(mean - mean.mean()).sum(), np.square(v - mean).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        of_channel, of_image = between / np.float64(channels - 1), within / (channels * (n - 1.0))
        found = {
            "eta2": between / (between + within),
            "omega2": (between - (channels - 1) * of_image) / (between + within + of_image),
            "icc": (of_channel - of_image) / (of_channel + (n - 1) * of_image),
        }
        if labels is None or not 1 < len(np.unique(labels)) < n:
            parts = np.array([(of_channel - of_image) / n, np.nan, of_image])
        else:
            parts = _nested(v, labels, of_channel)
        shares = parts / np.nansum(parts)
        class_icc = parts[1] / (parts[1] + parts[2])
    return {
        **{name: float(value) for name, value in found.items()},
        **dict(zip(PARTS, shares.tolist(), strict=True)),
        "class_icc": float(class_icc),
    }


def shares_from_0_to_1(table: pd.DataFrame) -> pd.DataFrame:
    """Return the shares of channel, class and image in a table, from 0 to 1.

    Estimates below 0 count as 0, and the other shares are divided by their sum.
    """
    shares = table[list(PARTS)].clip(lower=0)
    return shares.div(shares.sum(axis=1), axis=0)


def _nested(
    v: Float[np.ndarray, "images channels"], labels: Int[np.ndarray, " images"], of_channel: float
) -> Float[np.ndarray, " 3"]:
    """Return the variances of channel, class and image from their expected mean squares.

    With n_k images of class k of K, E of the mean squares is `image + a class + n channel` of
    channels, `image + b class` of classes and `image` of images, where `a = sum n_k^2 / n` and
    `b = (n - a) / (K - 1)`.
    """
    n, channels = v.shape
    _, of_row, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), channels))
    np.add.at(means, of_row, v)
    means /= counts[:, None]
    classes = len(counts)
    between = (counts[:, None] * np.square(means - v.mean(0))).sum()
    of_class = between / np.float64(channels * (classes - 1))
    image = np.square(v - means[of_row]).sum() / np.float64(channels * (n - classes))
    a = np.square(counts).sum() / n
    of_one_class = (of_class - image) / ((n - a) / np.float64(classes - 1))
    return np.array([(of_channel - image - a * of_one_class) / n, of_one_class, image])
