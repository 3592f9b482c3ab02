"""The recorded values of the gates that are replaced."""

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from stripe.errors import ModelError, RecordingError
from stripe.gates.freezing.means import Constants, Means, constants, vector_of
from stripe.gates.place import Place
from stripe.recording import Recording, open_recording
from stripe.recording.finished_part import Vectors
from stripe.registry import listed


class ClassMeans(NamedTuple):
    """The mean gate of every class.

    Parameters
    ----------
    classes
        Labels, ascending.
    means
        Their mean gates, shape (classes, channels).
    """

    classes: Int64[Tensor, " classes"]
    means: Float64[Tensor, "classes channels"]

    def of(self, labels: Tensor) -> Float64[Tensor, "images channels"]:
        """Return the mean of the class of each image; an unrecorded class raises an error."""
        rows = torch.searchsorted(self.classes, labels.long().contiguous()).clamp_max(
            len(self.classes) - 1
        )
        if len(strange := labels[self.classes[rows] != labels]):
            raise ModelError(
                f'the intervention "class_mean" needs a recorded image of each class, and label '
                f"{int(strange[0])} has none; recorded: {listed(list(map(str, self._labels())))}"
            )
        return self.means[rows]

    def _labels(self) -> list[int]:
        return self.classes.tolist()


class RecordedValues:
    """The recorded values of a model's gates, read on request.

    Parameters
    ----------
    data
        A recording or its directory, the table of `stripe.stats.channel_moments`, vectors by gate,
        or None. Only recordings have values and labels.
    epoch
        Epoch. Default: the last.
    """

    def __init__(self, data: Means | None, epoch: int | None = None) -> None:
        is_recording = isinstance(data, Recording | str | Path)
        self._recording = open_recording(data) if is_recording else None  # type: ignore[arg-type]
        self._data, self._epoch = self._recording or data, epoch

    @property
    def gates(self) -> Collection[str]:
        """The names of the gates; empty without a recording."""
        if self._recording is not None:
            return [gate.name for gate in self._recording.header.gates]
        return [] if self._data is None else self._constants.vectors.keys()

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """The shape of a recorded image, or None if it is not known."""
        if self._recording is not None:
            return self._recording.header.input_shape
        return None if self._data is None else self._constants.shape

    def mean(self, place: Place) -> Float64[np.ndarray, " channels"]:
        """Return the mean gate over images."""
        if self._data is None:
            raise ModelError(
                "a mean needs recorded gates, and there is no recording; give recording="
            )
        if place.gate.kind == "spatial" and self._recording is not None:
            mean: Float64[np.ndarray, " channels"] = self.values(place).mean(0, dtype=np.float64)
            return mean
        return vector_of(place.gate, self._constants.vectors)

    def values(self, place: Place) -> Vectors:
        """Return the gate of every image, (images, channels); they are kept in memory.

        A row of a spatial map has H * W values.
        """
        recording = self._of_images(place)
        if place.gate.kind == "spatial":
            return self._maps(recording, place)
        values = recording.values(place.gate.name, self._epoch)
        if values.shape[1] != place.gate.channels:
            raise ModelError(
                f"the recorded gate {place.gate.name!r} must have {place.gate.channels} channels, "
                f"as the model's has, got {values.shape[1]}; record this model"
            )
        return values.copy()  # Arrow's memory is read-only

    def _maps(self, recording: Recording, place: Place) -> Vectors:
        maps, size = recording.spatial(place.gate.name, self._epoch), place.shape.spatial
        if maps.shape[1:] != size:
            raise ModelError(
                f"the recorded map {place.gate.name!r} must have the size of the model's, {size}, "
                f"got {maps.shape[1:]}; give example=, images of the recorded size"
            )
        return maps.reshape(len(maps), -1).copy()

    def class_means(self, place: Place) -> ClassMeans:
        """Return the mean gate of every class.

        Raises
        ------
        RecordingError
            If the recording has no labels.
        """
        recording, values = self._of_images(place), self.values(place)
        labels = recording.rows(self._epoch)["label"]
        if labels.isna().any():
            raise RecordingError(
                f'the intervention "class_mean" needs labels, and {recording.path} has none for '
                f"{labels.isna().sum()} of {len(labels)} images; record (images, labels)"
            )
        classes, of_image = np.unique(labels.to_numpy(dtype=np.int64), return_inverse=True)
        means = [values[of_image == c].mean(0, dtype=np.float64) for c in range(len(classes))]
        return ClassMeans(torch.from_numpy(classes), torch.from_numpy(np.stack(means)))

    def _of_images(self, place: Place) -> Recording:
        if self._recording is None:
            raise ModelError(
                f"the gate {place.gate.name!r} of single images needs a recording, got "
                f"{'none' if self._data is None else type(self._data).__name__}; give recording="
            )
        return self._recording

    @cached_property
    def _constants(self) -> Constants:
        assert self._data is not None
        return constants(self._data, self._epoch)
