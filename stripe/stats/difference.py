"""The change of a gate between epochs, and the epoch in which it settles."""

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Float, Int64

from stripe.errors import RecordingError
from stripe.recording import Recorded, Recording, open_recording
from stripe.recording.same_images import check_same_labels
from stripe.stats.unwarned import unwarned
from stripe.typed import typed


@typed
def epoch_difference(
    recording: Recorded, gate: str, *, image_ids: Sequence[int] | None = None
) -> Float[np.ndarray, "image epoch channel"]:
    """Compute the difference `|v(t + 1) - v(t)|` of a gate between consecutive recorded epochs.

    Parameters
    ----------
    recording
        A recording of at least two epochs.
    gate
        Name of the gate.
    image_ids
        Indices of the images. Default: all images recorded in every epoch, ascending.

    Returns
    -------
    ndarray
        Shape (images, epochs - 1, channels), float32. Entry [i, t, c] is the difference between
        `recording.epochs[t]` and `recording.epochs[t + 1]`. Other statistics return tables. This
        function returns an array, because it does not reduce the gate. A table with a row for each
        number would take seven times the memory: three indices of 64 bits for each float32.

    Raises
    ------
    RecordingError
        If there are fewer than two epochs, no image is in all of them, one of `image_ids` is not in
        all of them, an image has different labels at two epochs, the recording has no values, or
        the gate is a spatial map.
    UnknownNameError
        If the gate is not in the recording.

    Notes
    -----
    The difference is infinite if one value is infinite and the other finite, or if the two are
    infinities of opposite sign. It is NaN if both are the same infinity, or if one is NaN.

    A difference near zero does not show that the gate has converged: at a low learning rate, every
    gate changes little.

    References
    ----------
    Section 1; Figures 2c and 11 to 18.

    Examples
    --------
    >>> stripe.stats.epoch_difference(recording, "layer1.0.bn2.gate").shape
    (8, 2, 16)
    """
    recording = open_recording(recording)
    recording.gate(gate)
    return np.stack(list(epoch_steps(recording, gate, common_images(recording, image_ids))), axis=1)


@typed
def convergence_epoch(recording: Recorded, tol: float) -> pd.DataFrame:
    """Find, for each channel, the first epoch after which the channel no longer changes.

    Parameters
    ----------
    recording
        A recording of at least two epochs.
    tol
        Bound below which a step `|v(t + 1) - v(t)|` counts as no change. A gate from a sigmoid lies
        in (0, 1), so 0.01 is a hundredth of its range.

    Returns
    -------
    DataFrame
        One row per gate and channel: gate, channel, epoch (nullable Int64). This epoch is the
        smallest recorded epoch t after which every step of every image is below `tol`. It is
        missing if the last step of any image is not below `tol`. Only images that are in every
        epoch count. A step that is not finite counts as a change.

    Raises
    ------
    RecordingError
        As for `epoch_difference`; also if `tol` is not positive, or there are no channel gates.

    References
    ----------
    Section 1: most values converge before the first decay of the learning rate. Figure 2c.

    Examples
    --------
    >>> settled = stripe.stats.convergence_epoch(recording, tol=0.05)
    """
    recording = open_recording(recording)
    if not tol > 0:
        raise RecordingError(f"tol must be positive, got {tol}")
    images = common_images(recording)
    tables = []
    for gate in recording.header.channel_gates:
        largest = np.stack([step.max(axis=0) for step in epoch_steps(recording, gate.name, images)])
        last_moving = _last_true(~(largest < tol))  # (channel,), -1 where it never moves
        epoch = pd.array(np.array(recording.epochs)[last_moving + 1], dtype="Int64")
        epoch[last_moving == len(largest) - 1] = pd.NA
        channel = np.arange(gate.channels)
        tables.append(pd.DataFrame({"gate": gate.name, "channel": channel, "epoch": epoch}))
    if not tables:
        raise RecordingError(f"{recording.path} holds no channel gates, only spatial maps")
    return pd.concat(tables, ignore_index=True)


@typed
def common_images(
    recording: Recording, image_ids: Sequence[int] | None = None
) -> Int64[np.ndarray, " image"]:
    """Return the indices of the images that were recorded in every epoch, ascending.

    If `image_ids` is given, check these images, and return their indices as they are given.

    Raises
    ------
    RecordingError
        If there are fewer than two epochs, no image is in every epoch, one of `image_ids` is not in
        every epoch, an image has different labels at two epochs, or the recording has no values.

    Examples
    --------
    >>> stripe.stats.common_images(recording).tolist()
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    epochs = recording.epochs
    if len(epochs) < 2:
        raise RecordingError(
            f"a difference needs two recorded epochs, {recording.path} has {len(epochs)}; record "
            "the model at several epochs"
        )
    check_same_labels(recording, epochs)
    recorded = [recording.rows(epoch)["image"].to_numpy() for epoch in epochs]
    common: np.ndarray = reduce(lambda some, more: np.intersect1d(some, more), recorded)
    chosen = common if image_ids is None else np.asarray(image_ids, dtype=np.int64)
    missing = np.setdiff1d(chosen, common)
    if len(missing) or not len(chosen):
        what = f"image {missing[0]} was not" if len(missing) else "no image was"
        raise RecordingError(
            f"{what} recorded in every epoch of {recording.path}; choose among the {len(common)} "
            "that were"
        )
    return chosen


def epoch_steps(
    recording: Recording, gate: str, image_ids: Int64[np.ndarray, " image"]
) -> Iterator[Float[np.ndarray, "image channel"]]:
    """Yield `|v(t + 1) - v(t)|` of each pair of successive epochs, two epochs in memory.

    As `epoch_difference`, which holds all epochs; the images are from `common_images`.
    """
    aligned = (
        recording.values(gate, epoch)[np.searchsorted(recording.rows(epoch)["image"], image_ids)]
        for epoch in recording.epochs
    )
    for before, after in pairwise(aligned):
        yield _step(before, after)


@unwarned
def _step(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    difference: np.ndarray = np.abs(after - before)
    return difference


def _last_true(moving: np.ndarray) -> np.ndarray:
    """Return the last true row of each column of (epoch, channel), or -1."""
    last = len(moving) - 1 - np.argmax(moving[::-1], axis=0)
    return np.where(moving.any(axis=0), last, -1)
