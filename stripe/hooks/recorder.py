"""Record the gates of a model over the images of a loader."""

from collections.abc import Iterable, Sequence, Sized
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn
from tqdm.auto import tqdm

from stripe.errors import ModelError, UnknownNameError
from stripe.gates import find_gates, undisturbed
from stripe.gates.find import device_of
from stripe.hooks.batches import numbered_batches, tensors_of
from stripe.hooks.capture import LABEL, PREDICTION, Capture
from stripe.hooks.processes import current_processes
from stripe.recording import Gate, Header, RecordingWriter
from stripe.recording.background import Background
from stripe.recording.part import PartWriter
from stripe.registry import listed
from stripe.versions import library_versions


class _Rows(NamedTuple):
    """What one batch adds to an epoch, on the host."""

    image: np.ndarray
    columns: dict[str, np.ndarray]


class Recorder:
    """Record gates, epoch by epoch, into a directory; a context manager.

    Hooks are on the model only while `record` runs. Batches are encoded on a thread of their own;
    an epoch appears in the directory whole, or not at all. Under torch.distributed every process
    makes a Recorder of the same path and records its share of the images; they commit together.

    Parameters
    ----------
    model
        The network.
    path
        A new or empty directory, or a recording of the same gates, which is continued.
    example
        A batch of images, (B, C, H, W), with which the gates are found.
    gates
        Names of the gates to record; by default all that `stripe.find_gates` finds.
    inputs
        Also record the global average of what each gate multiplies, the "before" of Figure 2.
    name, dataset, seed
        What the recording says of where it comes from.

    Raises
    ------
    ModelError
        If the model has no gates.
    UnknownNameError
        If it has none of a given name.
    RecordingError
        If the directory holds something else, cannot be written or is being written.

    Examples
    --------
    >>> with Recorder(model, "runs/a", example) as recorder:
    ...     recorder.record(loader, epoch=0)
    """

    def __init__(
        self,
        model: nn.Module,
        path: str | Path,
        example: Tensor,
        *,
        gates: Sequence[str] | None = None,
        inputs: bool = True,
        name: str | None = None,
        dataset: str = "",
        seed: int | None = None,
    ) -> None:
        self.model = model
        found = [replace(gate, pooled=inputs) for gate in find_gates(model, example)]
        self.gates = _chosen(found, gates, model)
        header = Header(
            gates=tuple(self.gates),
            model=name or type(model).__name__,
            dataset=dataset,
            seed=seed,
            versions=library_versions(),
        )
        self._writer = RecordingWriter(path, header, **current_processes()._asdict())

    def record(self, loader: Iterable[Any], epoch: int, *, progress: bool = True) -> None:
        """Run the model over `loader` and commit what its gates were as one epoch.

        The model runs in evaluation, without gradients, under the caller's autocast; its modes,
        its hooks and torch's generators are afterwards as they were before.

        Parameters
        ----------
        loader
            Batches of images, (images, labels) or (images, labels, indices). The indices name the
            rows; a `DataLoader`, shuffled or not, gives the positions in its data set by itself,
            and without either images count from 0 in the order in which they come.
        epoch
            The number of the epoch, not recorded yet.
        progress
            Show a progress bar where there is a terminal or a notebook.

        Raises
        ------
        RecordingError
            If the epoch is there already, an image comes twice, or the disk fails.
        ModelError
            If a gate is not called, or a batch is not made of tensors.
        """
        capture = Capture(self.gates, device_of(self.model))
        total = len(loader) if isinstance(loader, Sized) else None
        bar = tqdm(
            total=total,
            desc=f"record epoch {epoch}",
            leave=False,
            disable=None if progress else True,
        )
        with (
            self._writer.epoch(epoch) as part,
            undisturbed(self.model),
            capture.hooked(self.model),
            bar,
        ):
            writing = Background[_Rows](lambda rows: _write(part, rows))
            try:
                for index, images, labels in numbered_batches(loader):
                    writing.put(self._forward(capture, index, images, labels))
                    bar.update()
                writing.finish()
            finally:
                writing.stop()

    def _forward(
        self, capture: Capture, index: np.ndarray, images: Tensor, labels: Tensor | None
    ) -> _Rows:
        capture.start(len(images))
        output = self.model(images.to(capture.device, non_blocking=True))
        if isinstance(output, Tensor) and output.ndim == 2:
            capture.note(PREDICTION, output.argmax(1))
        if labels is not None:
            capture.note(LABEL, labels)
        return _Rows(index, capture.take())

    def close(self) -> None:
        """Let another writer have the directory."""
        self._writer.close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def record(
    model: nn.Module,
    loader: Iterable[Any],
    path: str | Path,
    *,
    progress: bool = True,
    **options: Any,
) -> None:
    """Record one epoch, number 0, of every gate of `model` over the images of `loader`.

    The first batch is the example with which the gates are found; `options` are those of
    `Recorder`, which says what is raised.
    """
    with undisturbed(model):  # a DataLoader draws from torch's generator when it starts
        batches = iter(loader)
        first = next(batches, None)
    if first is None:
        raise ModelError("a loader must give at least one batch to record, got none")
    example = tensors_of(first)[0]
    if batches is loader:  # it cannot start again
        loader = chain([first], batches)
    del batches
    with Recorder(model, path, example, **options) as recorder:
        recorder.record(loader, epoch=0, progress=progress)


def _chosen(found: list[Gate], names: Sequence[str] | None, model: nn.Module) -> list[Gate]:
    if not found:
        raise ModelError(
            f"a {type(model).__name__} has no gates that stripe put there, so there is nothing to "
            "record; give it attention with stripe.insert(model, attention='se')"
        )
    if names is None:
        return found
    known = {gate.name: gate for gate in found}
    if unknown := [name for name in names if name not in known]:
        raise UnknownNameError(
            f"the model has no gate {unknown[0]!r}; it has: {listed(list(known))}"
        )
    return [gate for gate in found if gate.name in names]


def _write(part: PartWriter, rows: _Rows) -> None:
    vectors = dict(rows.columns)
    label, prediction = vectors.pop(LABEL, None), vectors.pop(PREDICTION, None)
    part.write(rows.image, vectors, label=label, prediction=prediction)
