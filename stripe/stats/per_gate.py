"""Read the values of one gate after another, with the labels of their images."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from stripe.errors import RecordingError
from stripe.recording import Recorded, Recording, open_recording


class GateValues(NamedTuple):
    """The values of one gate in one epoch."""

    epoch: int
    gate: str
    values: Float32[np.ndarray, "images channels"]


def per_gate(recording: Recorded, epochs: Iterable[int] | None) -> Iterator[GateValues]:
    """Yield the values of every channel gate, one at a time. Default: all epochs."""
    recording = open_recording(recording)
    for epoch in chosen_epochs(recording, epochs):
        for gate in recording.header.channel_gates:
            yield GateValues(epoch, gate.name, recording.values(gate.name, epoch))


def chosen_epochs(recording: Recording, epochs: Iterable[int] | None) -> list[int]:
    """Return the given epochs, each once, or all; raise a `RecordingError` if there are none."""
    if epochs is not None:
        return list(dict.fromkeys(epochs))
    if not recording.epochs:
        raise RecordingError(f"{recording.path} holds no epoch yet; record one first")
    return recording.epochs


def labels_of(recording: Recorded, epoch: int) -> Int64[np.ndarray, " images"] | None:
    """Return the label of each row of `Recording.values`, None where the epoch has none.

    Raises
    ------
    RecordingError
        If some images have labels and others do not.
    """
    recording = open_recording(recording)
    labels = recording.rows(epoch)["label"]
    if labels.isna().all():
        return None
    if labels.isna().any():
        raise RecordingError(
            f"all images of {recording.path} must have labels or none, and {labels.isna().sum()} "
            f"of {len(labels)} have none in epoch {epoch}; record them again"
        )
    return labels.to_numpy(dtype=np.int64)
