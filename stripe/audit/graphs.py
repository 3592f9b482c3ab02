"""Audit an ONNX graph: its outputs, costs of freezing and times."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import torch
from jaxtyping import Float
from onnx import ModelProto
from torch import Tensor

from stripe.audit.candidate import Batches, Candidate
from stripe.audit.images import KeptBatch
from stripe.intervene.sensitivity_result import Sensitivity
from stripe.modules.timing import seconds_of
from stripe.onnx.distances import Embedding
from stripe.onnx.load import load_model
from stripe.onnx.plan import GraphPlan, plan
from stripe.onnx.record import record
from stripe.onnx.sensitivity import sensitivity
from stripe.onnx.session import GraphSession
from stripe.recording import Recording
from stripe.versions import library_versions

#: Number of images on which each gate is frozen alone.
_SAMPLE = 64
#: Lower bound of a probability, whose logarithm is taken.
_LEAST = 1e-12


class GraphCandidate(Candidate):
    """An ONNX file or model.

    Parameters
    ----------
    model
        A file or model with one input, a batch of images.
    name
        Name in the report. Default: the name of the file.
    threads
        Threads of onnxruntime in the timing.
    """

    library = "stripe.onnx"
    is_module = False

    def __init__(self, model: str | Path | ModelProto, name: str | None, threads: int) -> None:
        self.model = load_model(model)
        in_memory = isinstance(model, ModelProto)
        self.name = name or ("an ONNX graph" if in_memory else Path(model).name)
        self.device = f"cpu, onnxruntime with {threads} thread{'s' * (threads != 1)}"
        self.versions = {**library_versions(), "onnxruntime": onnxruntime.__version__}
        self._threads = threads

    def record(self, images: Sequence[KeptBatch], path: Path, *, progress: bool) -> Recording:
        """Record all gates over batches of images, or of images and labels."""
        return record(self.model, images, path, name=self.name, progress=progress)

    def plan(self, moments: pd.DataFrame) -> GraphPlan:
        """Find the gates, and plan to freeze them at their means over images."""
        return plan(self.model, moments)

    def sensitivity(
        self, images: Batches, recording: Recording, gates: Sequence[str], *, progress: bool
    ) -> Sensitivity:
        """Measure the cost of freezing gates at their means, on the first images."""
        size = len(images[0])
        batches = torch.cat(list(images[: -(-_SAMPLE // size)]))[:_SAMPLE].split(size)
        return sensitivity(self.model, batches, recording, list(gates), progress=progress)

    def outputs(self, model: ModelProto, images: Batches) -> Iterator[Any]:
        """Yield the first output of the network, or of a frozen one, for each batch."""
        session = GraphSession(model)
        for batch in images:
            yield session.run(batch)[session.names[0]]

    def scores(self, output: np.ndarray) -> Float[Tensor, "b classes"] | None:
        """Return class scores (B, classes) as logits, None for an output of another form."""
        kind = Embedding.of(output).kind if output.ndim == 2 else ""
        if kind not in ("classes", "logits"):
            return None
        values = torch.from_numpy(output).float()
        return values.clamp_min(_LEAST).log() if kind == "classes" else values

    def timing(self, model: ModelProto, images: Tensor) -> Callable[[], float]:
        """Return a function that runs a forward pass and returns its seconds."""
        session = GraphSession(model, threads=self._threads)
        return lambda: seconds_of(lambda: session.run(images))
