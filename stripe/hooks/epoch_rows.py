"""The rows of one epoch: from the batches of a loader to a part of the recording."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from stripe.hooks.batch_buffer import LABEL, PREDICTION, Buffer, MomentBuffer, ValueBuffer
from stripe.hooks.batches import numbered_batches
from stripe.hooks.columns import column_lengths, fill
from stripe.hooks.earlier_labels import EarlierLabels
from stripe.hooks.observer import Observer
from stripe.hooks.online import OnlineMoments
from stripe.hooks.rows import ImageRows
from stripe.interrupts import interrupts_held
from stripe.recording import RecordedGate
from stripe.recording.background import Background, Foreground
from stripe.recording.part import PartWriter
from stripe.registry import counted
from stripe.warn import warn


class Rows(NamedTuple):
    """The rows that one batch adds to an epoch, on their way to the host."""

    image: np.ndarray
    columns: Callable[[], dict[str, np.ndarray]]  # waits for the copy


class Batch(NamedTuple):
    """The values of the model for one batch, on its device."""

    images: np.ndarray  # indices of the images
    rows: Mapping[str, ImageRows]
    labels: Tensor | None
    predictions: Tensor | None


def run_batches(
    loader: Iterable[Any], observer: Observer, bar: Any
) -> Generator[Batch, None, None]:
    """Run the model over the loader, and yield the values of each batch."""
    for index, images, labels in numbered_batches(loader, kept=True):
        output, rows = observer.run(images)
        scores = output if isinstance(output, Tensor) and output.ndim == 2 else None
        yield Batch(index, rows, labels, None if scores is None else scores.argmax(1))
        with interrupts_held():  # the bar has a lock that its monitor waits for
            bar.update()
    observer.finish()


class EpochRows:
    """Write the rows of one epoch, and notice values that are not finite.

    Parameters
    ----------
    gates
        Mapping from the name of a gate of the model to the recorded gates that hold its values.
    device
        The device of the model.
    """

    def __init__(
        self, gates: Mapping[str, Sequence[RecordedGate]], device: torch.device | None
    ) -> None:
        self._gates, self._device = gates, device
        self._lengths = column_lengths([gate for several in gates.values() for gate in several])
        self._not_finite: dict[str, str] = {}

    def write(self, part: PartWriter, rows: Rows) -> None:
        """Write the rows of one batch, once they are on the host."""
        vectors = rows.columns()
        label, prediction = vectors.pop(LABEL, None), vectors.pop(PREDICTION, None)
        self._note_not_finite(vectors, lambda row: f"first for image {rows.image[row]}")
        part.write(rows.image, vectors, label=label, prediction=prediction)

    def pass_on(
        self,
        batches: Iterable[Batch],
        writing: Background[Rows] | Foreground[Rows],
        earlier: EarlierLabels,
    ) -> int:
        """Hand over the rows of every batch to be written; return the number of images."""
        buffer = ValueBuffer(self._lengths, self._device)
        count = 0
        for batch in batches:
            earlier.check(batch.images, batch.labels)
            self._fill(buffer, batch)
            if batch.predictions is not None:
                buffer.note(PREDICTION, batch.predictions)
            if batch.labels is not None:
                buffer.note(LABEL, batch.labels)
            writing.put(Rows(batch.images, buffer.to_host()))
            count += len(batch.images)
        writing.finish()
        return count

    def write_moments(self, part: PartWriter, batches: Iterable[Batch]) -> int:
        """Write the moments over all images; return the number of images."""
        buffer = MomentBuffer(self._lengths, self._device)
        moments = OnlineMoments()
        images: list[np.ndarray] = []
        for batch in batches:
            self._fill(buffer, batch)
            moments.add(buffer.matrix())
            images.append(batch.images)
        if images:
            columns = moments.by_column(buffer.lengths)
            self._note_not_finite(columns, lambda _: "for at least one image")
            part.write_moments(np.concatenate(images), columns)
        return moments.n

    def warn_of_not_finite(self) -> None:
        """Name the first column with values that are not finite."""
        if self._not_finite:
            (column, where), *more = self._not_finite.items()
            others = f" and {counted(len(more), 'other column')}" if more else ""
            warn(
                f"{column!r}{others} recorded values that are not finite, {where}; statistics over "
                "these images will be NaN"
            )

    def _fill(self, buffer: Buffer, batch: Batch) -> None:
        buffer.start(len(batch.images))
        for gate, rows in batch.rows.items():
            fill(buffer, self._gates[gate], rows)

    def _note_not_finite(
        self, vectors: Mapping[str, np.ndarray], where: Callable[[int], str]
    ) -> None:
        """Keep the names of columns with values that are not finite, and where the first is."""
        for column, values in vectors.items():
            if column not in self._not_finite and not (finite := np.isfinite(values)).all():
                self._not_finite[column] = where(int(finite.all(axis=1).argmin()))
