"""How well a gate alone predicts the class of an image."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64, Int64

from stripe.defaults import FOLDS, SHRINKAGE
from stripe.errors import RecordingError, StripeError
from stripe.recording import Recorded, open_recording
from stripe.stats.per_gate import labels_of, per_gate
from stripe.stats.share_interval import share_interval
from stripe.typed import typed

_COLUMNS = ["epoch", "gate", "accuracy", "low", "high", "chance", "inputs"]


@typed
def class_information(
    recording: Recorded,
    epochs: Iterable[int] | None = None,
    *,
    folds: int = FOLDS,
    shrinkage: float = SHRINKAGE,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure how well each gate alone predicts the class, by linear discriminant analysis.

    The accuracy is cross-validated: the classes of the images in a fold are predicted by a
    discriminant that is fitted to the other folds. Each fold has images of every class.

    Parameters
    ----------
    recording
        A recording with values and labels. One gate at a time is loaded into memory.
    epochs
        Epochs. Default: the last.
    folds
        Number of folds, at least 2. Classes with fewer images than folds are ignored.
    shrinkage
        Shrinkage of the covariance within classes towards a multiple of the identity, 0 to 1.
    seed
        Seed of the random folds.

    Returns
    -------
    DataFrame
        One row per epoch and gate:

        - epoch, gate;
        - accuracy: 0 to 1;
        - low, high: 95 % interval of the accuracy;
        - chance: share of the most frequent class;
        - inputs: accuracy from the pooled inputs, which are the features before the gate, averaged
          over positions; NaN if they were not recorded.

        Images of ignored classes do not count. The accuracy from values that are not finite is NaN.

    Raises
    ------
    RecordingError
        If the recording has no values, an epoch was not recorded, an image has no label, or fewer
        than two classes have at least as many images as folds.
    StripeError
        If `folds` is not a whole number of at least 2, or `shrinkage` is not between 0 and 1.

    Notes
    -----
    The discriminant is linear, so another classifier may reach a higher accuracy: the gate may
    contain more information about the class than this accuracy shows. If the gate predicts the
    class worse than its pooled inputs do, a linear classifier finds less information about the
    class in the gate than in the inputs. If the gate predicts the class better, the attention
    module makes the class easier to predict linearly, or it reads more of the feature map than the
    averages (SRM and SPA do). The interval shows the uncertainty over images, and ignores the
    choice of folds.

    References
    ----------
    Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", section 4.3.

    Examples
    --------
    >>> table = stripe.stats.class_information(recording, folds=2)
    >>> table["gate"].nunique()
    3
    """
    if folds != int(folds) or folds < 2 or not 0 <= shrinkage <= 1:
        raise StripeError(
            "folds must be a whole number of at least 2, and shrinkage a number from 0 to 1, got "
            f"folds={folds} and shrinkage={shrinkage}"
        )
    recording = open_recording(recording)
    rows = []
    for epoch, gate, values in per_gate(
        recording, [recording.last_epoch] if epochs is None else epochs
    ):
        labels = labels_of(recording, epoch)
        if labels is None:
            raise RecordingError(
                f"{recording.path} must hold labels to measure how well a gate predicts the "
                f"class, and has none in epoch {epoch}; record (images, labels)"
            )
        kept = _in_large_classes(labels, folds, str(recording.path))
        of_image = fold_of(labels[kept], folds, seed)
        pooled = recording.gate(gate).pooled
        arrays = [values, recording.inputs(gate, epoch)] if pooled else [values]
        share, *others = [
            accuracy(array[kept].astype(np.float64), labels[kept], of_image, shrinkage)
            for array in arrays
        ]
        chance = np.unique(labels[kept], return_counts=True)[1].max() / kept.sum()
        interval = share_interval(share, int(kept.sum()))
        rows.append((epoch, gate, share, *interval, chance, *(others or [np.nan])))
    return pd.DataFrame(rows, columns=_COLUMNS)


def fold_of(
    labels: Int64[np.ndarray, " images"], folds: int, seed: int
) -> Int64[np.ndarray, " images"]:
    """Return the fold of each image, so that every class is spread evenly over the folds."""
    rng, of_image = np.random.default_rng(seed), np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        mine = rng.permutation(np.flatnonzero(labels == label))
        of_image[mine] = (np.arange(len(mine)) + rng.integers(folds)) % folds
    return of_image


def accuracy(
    features: Float64[np.ndarray, "images d"],
    labels: Int64[np.ndarray, " images"],
    of_image: Int64[np.ndarray, " images"],
    shrinkage: float,
) -> float:
    """Return the share of images whose class the other folds predict.

    The share is NaN if a value is not finite.
    """
    if not np.isfinite(features).all():
        return float("nan")
    right = 0
    for fold in np.unique(of_image):
        held = of_image == fold
        predicted = discriminant(features[~held], labels[~held], features[held], shrinkage)
        right += int((predicted == labels[held]).sum())
    return right / len(labels)


def discriminant(
    known: Float64[np.ndarray, "n d"],
    labels: Int64[np.ndarray, " n"],
    unknown: Float64[np.ndarray, "m d"],
    shrinkage: float,
) -> Int64[np.ndarray, " m"]:
    """Predict the classes of rows by a linear discriminant that is fitted to other rows."""
    classes, of_row, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.stack([known[of_row == k].mean(0) for k in range(len(classes))])
    centred = known - means[of_row]
    covariance = centred.T @ centred / len(known)
    size = np.trace(covariance) / len(covariance)
    covariance *= 1 - shrinkage
    covariance.flat[:: len(covariance) + 1] += shrinkage * size
    slopes = np.linalg.lstsq(covariance, means.T, rcond=None)[0]  # (d, classes)
    offsets = np.log(counts / len(known)) - (means.T * slopes).sum(0) / 2
    scores: Float[np.ndarray, "m classes"] = unknown @ slopes + offsets
    predicted: Int64[np.ndarray, " m"] = classes[scores.argmax(1)]
    return predicted


def _in_large_classes(
    labels: Int64[np.ndarray, " images"], folds: int, path: str
) -> Bool[np.ndarray, " images"]:
    classes, counts = np.unique(labels, return_counts=True)
    large = classes[counts >= folds]
    if len(large) < 2:
        raise RecordingError(
            f"at least 2 classes must have as many images as there are folds ({folds}), and "
            f"{len(large)} of {len(classes)} in {path} do; record more images, or set folds="
        )
    return np.isin(labels, large)
