"""Measure the cost of freezing each gate of an ONNX graph, without gradients."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from onnx import ModelProto
from torch import Tensor

from stripe.errors import NoBatchError
from stripe.gates.freezing.means import Means, vector_of
from stripe.hooks.batches import numbered_batches
from stripe.intervene.fisher import from_sums
from stripe.intervene.sensitivity_result import Sensitivity
from stripe.modules.progress import progress_bar
from stripe.onnx.distances import Embedding
from stripe.onnx.find import chosen_places
from stripe.onnx.places import GraphPlace
from stripe.onnx.plan import GraphPlan, plan
from stripe.onnx.session import GraphSession
from stripe.onnx.switches import SWITCHES, switched
from stripe.select import Selection
from stripe.typed import typed


@typed
def sensitivity(
    model: str | Path | ModelProto,
    loader: Iterable[Any],
    data: Means,
    gates: Selection | None = "all",
    *,
    epoch: int | None = None,
    force: bool = False,
    progress: bool = True,
) -> Sensitivity:
    """Measure the cost of freezing each gate of an ONNX graph, and estimate the cost of sets.

    Each gate alone is replaced by its mean, in one forward pass per gate and batch, and the first
    output is compared with that of the unchanged graph. Let p be the probabilities of the unchanged
    graph, q the probabilities with the mean, and d = 2 sqrt(q) - 2 sqrt(p). To second order, the KL
    divergence KL(p || q) is half the squared length of d. For each pair of gates, the matrix A
    holds the inner product of their vectors d, averaged over images. The estimated cost of a set S
    of gates is half the sum of A over S x S.

    Parameters
    ----------
    model
        An ONNX file or model.
    loader
        Batches of images, as for `stripe.onnx.record`; labels are not used.
    data
        Source of the means, as for `stripe.onnx.freeze`.
    gates
        Gates to measure: "all", names, a pattern with * and ?, or a predicate of `Gate`. Only a
        predicate also chooses among gates of the kind "response".
    epoch, force
        As for `stripe.onnx.freeze`.
    progress
        Show a progress bar.

    Returns
    -------
    Sensitivity
        As for `stripe.sensitivity`, with measured differences instead of gradients. `fisher` is
        half the mean of the squared length of d over images, in nats, `first_order` is the mean
        length of d, and `matrix` is A. No labels are drawn (`draws` is 0), and the table `channels`
        is empty.

    Raises
    ------
    UnknownNameError
        If a gate is not in the graph or not in the data.
    RecordingError
        If the recording cannot be read, or the epoch was not recorded.
    ModelError
        As for `stripe.onnx.find_gates`, and in these cases:

        - the graph has no gates, or the version of its operator set is below 9;
        - the number of channels of a mean differs from that of its gate, or a mean is not finite;
        - the means were recorded with another model (without `force`);
        - the loader gives no batch, or onnxruntime cannot run the graph on the images.

    Notes
    -----
    An output (B, classes), (B, T, classes), (B, classes, H, W) or (B, 1, H, W) is treated as
    probabilities if its values for the first batch are between 0 and 1, and otherwise as logits. If
    the values between 0 and 1 do not sum to 1 over the classes, each is treated as a separate
    probability. The KL divergences of all positions are added. Any other output is compared in
    units of its own standard deviation, so its costs are not in nats. The cost of a single gate is
    measured, and includes the reaction of later gates. In a frozen set, the later gates of the set
    cannot react, but the estimated cost of the set still includes their reactions.

    Examples
    --------
    >>> loader = [torch.rand(8, 3, 24, 24)]
    >>> recording = stripe.onnx.record("model.onnx", loader, "runs/onnx", progress=False)
    >>> found = stripe.onnx.sensitivity("model.onnx", loader, recording, progress=False)
    >>> found.greedy()["frozen"].tolist()
    [1, 2]
    """
    planned = plan(model, data, epoch=epoch, force=force)
    return measure(planned, chosen_places(planned.places, gates), loader, progress=progress)


def measure(
    planned: GraphPlan,
    places: Sequence[GraphPlace],
    loader: Iterable[Any],
    *,
    progress: bool = True,
) -> Sensitivity:
    """Measure the cost of freezing some gates of a plan. The errors are those of `sensitivity`."""
    vectors = [vector_of(place.gate, planned.means) for place in places]
    model = switched(planned.original, places, vectors)
    passes = _Passes(GraphSession(model), len(places))
    gates = len(places)
    sums = (np.zeros((gates, gates)), np.zeros(gates), np.zeros(gates))
    count = 0
    with progress_bar(loader, "sensitivity", progress) as bar:
        for _, images, _ in numbered_batches(loader):
            for change in passes.changes(images):
                products = change @ change.T
                square = np.diag(products)
                for total, value in zip(sums, (products, np.sqrt(square), square**2), strict=True):
                    total += value
            count += len(images)
            bar.update()
    if not count:
        raise NoBatchError
    channels = pd.DataFrame(columns=["gate", "channel", "first_order", "fisher"])
    return from_sums([place.gate for place in places], sums, channels, count, draws=0)


class _Passes:
    """Run a graph with every switch off, and with each switch alone on."""

    def __init__(self, session: GraphSession, gates: int) -> None:
        self._session, self._gates = session, gates
        self._embedding: Embedding | None = None

    def changes(self, images: Tensor) -> list[np.ndarray]:
        """Return for each image the change that each gate makes, (gates, D)."""
        before = self._output(images, np.zeros(self._gates, dtype=bool))
        self._embedding = self._embedding or Embedding.of(before)
        there = self._embedding(before)
        ways = [
            self._embedding(self._output(images, frozen)) - there
            for frozen in np.eye(self._gates, dtype=bool)
        ]
        return [np.stack(way).astype(np.float64) for way in zip(*ways, strict=True)]

    def _output(self, images: Tensor, frozen: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._session.run(images, {SWITCHES: frozen})[self._session.names[0]]
        return found
