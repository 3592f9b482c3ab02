"""The similarity of gates (debiased CKA), between epochs and between gates."""

from collections.abc import Iterable
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64

from stripe.errors import RecordingError
from stripe.recording import Recorded, open_recording
from stripe.recording.same_images import check_same_labels
from stripe.select import Selection, select
from stripe.stats.per_gate import chosen_epochs
from stripe.stats.stripe_index import ROUNDING
from stripe.stats.unwarned import unwarned
from stripe.typed import typed


@typed
def epoch_similarity(
    recording: Recorded,
    gates: Selection | None = None,
    epochs: Iterable[int] | None = None,
) -> pd.DataFrame:
    """Compare each gate between all pairs of epochs, by debiased centred kernel alignment (CKA).

    Parameters
    ----------
    recording
        A recording with values. The chosen epochs of one gate at a time are loaded into memory.
    gates
        Gates: "all", names, a pattern such as "layer3.*", a list of both, or a predicate of `Gate`.
        Default: all.
    epochs
        Epochs. Default: all.

    Returns
    -------
    DataFrame
        One row per gate and pair of epochs: gate, epoch, other (the same epoch or one after it in
        `epochs`), cka. The value of cka is:

        - near 1 if the gate distinguishes images in the same way in both epochs;
        - near 0 if it does so in unrelated ways;
        - NaN if it does not depend on the image in one of the epochs, or has values that are not
          finite.

        The estimate is debiased, so it can be below 0 or above 1.

    Raises
    ------
    UnknownNameError
        If a gate is not in the recording.
    RecordingError
        If an epoch was not recorded, there are no values, fewer than 4 images are in all chosen
        epochs, or an image has different labels at two epochs.

    Notes
    -----
    CKA compares how gates represent the differences between images. It ignores the mean of a gate,
    so it does not show how a stripe changes over epochs. `epoch_difference` shows this change.

    References
    ----------
    Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019. Unbiased
    estimate of the Hilbert-Schmidt independence criterion (HSIC): Song et al., "Feature Selection
    via Dependence Maximization", JMLR 2012, equation 5.

    Examples
    --------
    >>> table = stripe.stats.epoch_similarity(recording)
    """
    recording = open_recording(recording)
    chosen = chosen_epochs(recording, epochs)
    images = [recording.rows(epoch)["image"].to_numpy() for epoch in chosen]
    common = images[0] if images else np.zeros(0, dtype=np.int64)
    for others in images[1:]:
        common = np.intersect1d(common, others)
    if len(common) < 4:
        raise RecordingError(
            f"at least 4 images must be in all epochs that are compared, and {len(common)} are in "
            f"those of {recording.path}; choose others with epochs="
        )
    check_same_labels(recording, chosen)
    every = {gate.name: gate for gate in recording.header.channel_gates}
    rows = []
    for gate in select(every, gates, kind="recorded gate", owner=str(recording.path)):
        values = {
            epoch: recording.values(gate, epoch)[np.isin(ids, common)]
            for epoch, ids in zip(chosen, images, strict=True)
        }
        for one, other in combinations_with_replacement(chosen, 2):
            rows.append((gate, one, other, debiased_cka(values[one], values[other])))
    return pd.DataFrame(rows, columns=["gate", "epoch", "other", "cka"])


@typed
def gate_similarity(recording: Recorded, epoch: int | None = None) -> pd.DataFrame:
    """Compare all pairs of gates at one epoch, by debiased centred kernel alignment (CKA).

    Parameters
    ----------
    recording
        A recording with values of at least 4 images. Two gates at a time are loaded into memory.
    epoch
        Epoch. Default: the last.

    Returns
    -------
    DataFrame
        One row per pair of gates: gate, other (the same gate or a later one), and cka as in
        `epoch_similarity`.

    Raises
    ------
    RecordingError
        If the epoch was not recorded, or there are no values or fewer than 4 images.

    Examples
    --------
    >>> table = stripe.stats.gate_similarity(recording)
    """
    recording = open_recording(recording)
    names = [gate.name for gate in recording.header.channel_gates]
    rows = []
    for one, other in combinations_with_replacement(names, 2):
        pair = recording.values(one, epoch), recording.values(other, epoch)
        if len(pair[0]) < 4:
            raise RecordingError(
                f"at least 4 images must be recorded to compare gates, and {recording.path} has "
                f"{len(pair[0])}"
            )
        rows.append((one, other, debiased_cka(*pair)))
    return pd.DataFrame(rows, columns=["gate", "other", "cka"])


@unwarned
def debiased_cka(
    x: Float[np.ndarray, "images some"], y: Float[np.ndarray, "images others"]
) -> float:
    """Return the debiased linear CKA of two arrays of at least 4 images.

    `HSIC(x, y) / sqrt(HSIC(x, x) HSIC(y, y))`, with the unbiased estimate of HSIC; NaN where either
    does not vary over images by more than the rounding of float32.
    """
    x, y = _centred(x), _centred(y)
    scale = _hsic(x, x) * _hsic(y, y)
    return _hsic(x, y) / scale**0.5 if scale > 0 else float("nan")


def _hsic(x: Float64[np.ndarray, "n c"], y: Float64[np.ndarray, "n d"]) -> float:
    """Return Song's estimate for linear kernels, without an images x images matrix.

    With K and L the Gram matrices without their diagonals: `tr(K L) + sum(K) sum(L) / ((n - 1)
    (n - 2)) - 2 sum(K L) / (n - 2)`, over `n (n - 3)`.
    """
    n = len(x)
    of_x, of_y = np.square(x).sum(1), np.square(y).sum(1)  # the diagonals
    rows_x, rows_y = x @ x.sum(0) - of_x, y @ y.sum(0) - of_y  # sums of the rows of K and L
    trace = np.square(x.T @ y).sum() - of_x @ of_y
    whole = rows_x.sum() * rows_y.sum() / ((n - 1) * (n - 2))
    return float(trace + whole - 2 * rows_x @ rows_y / (n - 2)) / (n * (n - 3))


def _centred(values: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, "n c"]:
    """Take the mean away, which does not change HSIC and keeps digits; one scale for all."""
    exact = values.astype(np.float64)
    rounding = ROUNDING * np.abs(exact).max(0, initial=0.0)
    exact -= exact.mean(0)
    exact[:, np.abs(exact).max(0, initial=0.0) <= rounding] = 0.0
    largest = np.abs(exact).max(initial=0.0)
    return exact / largest if largest else exact
