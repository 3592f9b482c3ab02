"""Record the gates of an ONNX graph while onnxruntime runs it."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor

from stripe.errors import ModelError, NoBatchError
from stripe.hooks.batches import numbered_batches
from stripe.hooks.online import OnlineMoments
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.progress import progress_bar
from stripe.onnx.copied import copy_message
from stripe.onnx.find import chosen_places, find_graph_places
from stripe.onnx.graph import Graph
from stripe.onnx.load import fingerprint, load_model
from stripe.onnx.places import GraphPlace
from stripe.onnx.session import GraphSession
from stripe.recording import Header, RecordedGate, Recording, RecordingWriter, open_recording
from stripe.recording.background import Background
from stripe.recording.part import PartWriter
from stripe.recording.schema import gate_column, input_column
from stripe.select import Selection
from stripe.typed import typed
from stripe.versions import library_versions

#: From this operator set on, the axes of a reduction are an input.
_AXES_ARE_INPUTS = 18

#: The largest difference of a row between two orders of a batch, relative to the largest value.
_SAME_ROW = 1e-3


class _Rows(NamedTuple):
    """The rows that one batch adds to an epoch."""

    image: np.ndarray
    columns: dict[str, np.ndarray]
    label: np.ndarray | None
    prediction: np.ndarray | None


@typed
def record(
    model: str | Path | ModelProto,
    loader: Iterable[Any],
    path: str | Path,
    *,
    epoch: int = 0,
    gates: Selection | None = None,
    inputs: bool = True,
    values: bool = True,
    name: str | None = None,
    dataset: str = "",
    seed: int | None = None,
    threads: int = 0,
    progress: bool = True,
) -> Recording:
    """Record one epoch of every gate of an ONNX graph over the images of a loader.

    The gates, and the averages of the features that they multiply, become additional outputs of a
    copy of the graph. A thread writes them batch by batch. The recording has the format of
    `stripe.record`, so `stripe.stats`, `stripe.plots` and `stripe.explore` can read it.

    Parameters
    ----------
    model
        An ONNX file or model with one input, a batch of images.
    loader
        Batches of images (B, C, H, W), (images, labels) or (images, labels, indices), as for
        `stripe.record`.
    path
        A new or empty directory, or a recording with the same gates, network, data set, seed, image
        shape, `values` and `inputs`.
    epoch
        Number of the epoch.
    gates
        Gates to record: "all", names, a pattern with * and ?, or a predicate of `Gate`. Only a
        predicate also chooses among gates of the kind "response".
    inputs
        Also record the global average of the features that each gate multiplies.
    values
        Record every value. If False, record only moments over images.
    name, dataset, seed
        Provenance, stored in the header. Default of name: the name of the file, or of the graph if
        `model` is a model.
    threads
        Number of threads of onnxruntime. With 0, there is one per core.
    progress
        Show a progress bar.

    Returns
    -------
    Recording
        The finished recording, opened for reading.

    Raises
    ------
    UnknownNameError
        If the graph has no gate of a given name.
    ModelError
        As for `stripe.onnx.find_gates`, and in these cases:

        - the graph has no gates, or onnxruntime cannot run it on the images;
        - the loader gives no batch, or something other than batches of images;
        - the rows of a gate do not belong to the images, or the graph declares a variable batch
          size but accepts only one size.
    RecordingError
        If the directory holds other files or a recording that differs in one of the named points,
        already holds the epoch, or cannot be written.

    Notes
    -----
    If the graph has a fixed batch size, batches of the loader are split or padded. If the batch
    size is variable and the first batch has more than one image, another run with these images in
    reverse order checks that each row of every gate belongs to its image. The last bits of a value
    can depend on the number of threads and on the batch size.

    Examples
    --------
    >>> loader = [torch.rand(8, 3, 24, 24)]
    >>> recording = stripe.onnx.record("model.onnx", loader, "runs/onnx", progress=False)
    >>> recording.epochs
    [0]
    """
    named = name or (model.graph.name if isinstance(model, ModelProto) else Path(model).name)
    model = load_model(model)
    places = chosen_places(find_graph_places(Graph(model)), gates)
    observer = _Observer(model, places, inputs, threads)
    batches = numbered_batches(loader)
    first = next(batches, None)
    if first is None:
        raise NoBatchError
    observer.prove(first[1])
    header = Header(
        gates=tuple(RecordedGate.of(place.gate, pooled=inputs) for place in places),
        model=named,
        model_class="onnx",
        dataset=dataset,
        seed=seed,
        per_image=values,
        input_shape=tuple(first[1].shape[1:]),
        versions=library_versions(),
    )
    bar = progress_bar(loader, f"record epoch {epoch}", progress)
    digest = fingerprint(model)
    with (
        interrupts_held(),
        RecordingWriter(path, header) as writer,
        writer.epoch(epoch, weights=digest) as part,
        bar,
        closing(_rows(observer, chain([first], batches), bar)) as rows,
        Background[_Rows](lambda one: _write(part, one)) as writing,
        interrupts_allowed(),
    ):
        if values:
            for one in rows:
                writing.put(one)
            writing.finish()
        else:
            _write_moments(part, rows)
    return open_recording(path)


class _Observer:
    """Runs a graph, and gives the rows of its gates."""

    def __init__(
        self, model: ModelProto, places: Sequence[GraphPlace], inputs: bool, threads: int
    ) -> None:
        wider = copy_message(model)
        opset = Graph(model).opset
        self.prediction = model.graph.output[0].name
        self.columns: dict[str, tuple[str, int]] = {}  # tensor and length of every column
        for number, place in enumerate(places):
            site, gate = place.sites[-1], place.gate
            self.columns[gate_column(gate.name)] = (site.operand, gate.channels)
            if inputs:
                pooled = f"stripe.input.{number}"
                _pool(wider, site.features, pooled, site.axes, opset)
                self.columns[input_column(gate.name)] = (pooled, gate.channels)
        self.session = GraphSession(wider, [tensor for tensor, _ in self.columns.values()], threads)

    def run(self, images: Tensor) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Return the columns of a batch, and its predictions where there are scores (B, classes).

        Raises
        ------
        ModelError
            If a gate does not have a row for every image.
        """
        values = self.session.run(images)
        columns = {
            column: self._row(column, values[tensor], len(images), length)
            for column, (tensor, length) in self.columns.items()
        }
        scores = values[self.prediction]
        whole = scores.ndim == 2 and len(scores) == len(images)
        return columns, scores.argmax(1).astype(np.int64) if whole else None

    def prove(self, images: Tensor) -> None:
        """Raise an error if the rows of a batch do not belong to its images."""
        if len(images) < 2 or self.session.input.batch is not None:
            return
        try:
            there, back = self.run(images)[0], self.run(images.flip(0))[0]
        except ModelError as error:
            raise self._of_batch(images, error) from error
        for column, rows in there.items():
            apart = np.abs(rows - back[column][::-1]).max()
            if not apart <= _SAME_ROW * max(np.abs(rows).max(), np.finfo(np.float32).tiny):
                raise ModelError(
                    f"the rows of {column} must be those of the images, and they change with the "
                    "order of the batch; take single images (batch_size=1)"
                )

    def _of_batch(self, images: Tensor, error: ModelError) -> ModelError:
        """Return the error for a graph that declares a variable batch size but accepts only one."""
        try:
            self.run(images[:1])
        except ModelError:
            return error
        return ModelError(
            f"the graph declares a batch of any size, and fails on one of {len(images)} images; "
            f"take single images (batch_size=1): {error}"
        )

    @staticmethod
    def _row(column: str, value: np.ndarray, count: int, length: int) -> np.ndarray:
        if value.size != count * length or value.shape[0] != count:
            raise ModelError(
                f"{column} must have {length} values for each of {count} images, got shape "
                f"{value.shape}"
            )
        return np.ascontiguousarray(value.reshape(count, length), dtype=np.float32)


def _pool(model: ModelProto, features: str, name: str, axes: list[int], opset: int) -> None:
    """Average features over places in float32, as a new tensor of the graph."""
    cast = helper.make_node("Cast", [features], [f"{name}.float"], to=TensorProto.FLOAT)
    if opset < _AXES_ARE_INPUTS:
        mean = helper.make_node("ReduceMean", [f"{name}.float"], [name], axes=axes, keepdims=0)
    else:
        weight = numpy_helper.from_array(np.array(axes, dtype=np.int64), f"{name}.axes")
        model.graph.initializer.append(weight)
        inputs = [f"{name}.float", weight.name]
        mean = helper.make_node("ReduceMean", inputs, [name], keepdims=0)
    model.graph.node.extend([cast, mean])


def _rows(observer: _Observer, batches: Iterator[Any], bar: Any) -> Generator[_Rows, None, None]:
    for index, images, labels in batches:
        columns, prediction = observer.run(images)
        yield _Rows(index, columns, None if labels is None else labels.cpu().numpy(), prediction)
        with interrupts_held():  # the bar has a lock that its monitor waits for
            bar.update()


def _write(part: PartWriter, rows: _Rows) -> None:
    part.write(rows.image, rows.columns, label=rows.label, prediction=rows.prediction)


def _write_moments(part: PartWriter, batches: Iterable[_Rows]) -> None:
    moments, images, lengths = OnlineMoments(), [], {}
    for rows in batches:
        moments.add(torch.from_numpy(np.concatenate(list(rows.columns.values()), axis=1)))
        images.append(rows.image)
        lengths = {column: values.shape[1] for column, values in rows.columns.items()}
    if images:
        part.write_moments(np.concatenate(images), moments.by_column(lengths))
