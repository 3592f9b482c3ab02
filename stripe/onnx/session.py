"""Run a graph in onnxruntime."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto, helper
from torch import Tensor

from stripe.errors import ModelError
from stripe.onnx.copied import copy_message
from stripe.onnx.image_input import image_input
from stripe.onnx.load import serialised

#: Source line and function of onnxruntime, before a message.
_IN_SOURCE = re.compile(r"/\S+\.(?:cc|h):\d+ [^()]*\(.*?\)(?: const)? ")

#: Lowest level of messages that onnxruntime logs, besides the errors that it raises.
_FATAL = 4


class GraphSession:
    """A model in onnxruntime, on the CPU.

    Parameters
    ----------
    model
        A model with one input, a batch of images.
    outputs
        Additional outputs.
    threads
        Number of threads of onnxruntime. With 0, there is one per core.
    optimize
        Whether onnxruntime may fuse and rewrite nodes.

    Raises
    ------
    ModelError
        If onnxruntime cannot load the model, for example because of unknown operators.
    """

    def __init__(
        self,
        model: ModelProto,
        outputs: Sequence[str] = (),
        threads: int = 0,
        *,
        optimize: bool = True,
    ) -> None:
        self.input = image_input(model)
        own = [value.name for value in model.graph.output]
        self.names = [*own, *(name for name in dict.fromkeys(outputs) if name not in own)]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        options.intra_op_num_threads = threads
        if not optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(
                serialised(_with_outputs(model, self.names[len(own) :])),
                options,
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:
            raise ModelError(f"onnxruntime cannot load the model: {_reason(error)}") from error

    def run(
        self, images: Tensor, weights: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """Return the outputs by name for images (B, C, H, W).

        A graph with a fixed batch size runs several times. The last batch is filled with its last
        image. `weights` are values of weights that are also inputs.
        """
        given = weights or {}
        size = self.input.batch
        if size in (None, len(images)):
            return self._run(self.input.fed(images), given)
        missing = -len(images) % size
        filled = np.concatenate(
            [self.input.fed(images), self.input.fed(images[-1:]).repeat(missing, 0)]
        )
        starts = range(0, len(filled), size)
        parts = [self._run(filled[start : start + size], given) for start in starts]
        return {name: _joined([part[name] for part in parts], len(images)) for name in self.names}

    def _run(self, batch: np.ndarray, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            values: list[Any] = self._session.run(self.names, {self.input.name: batch, **weights})
        except Exception as error:
            raise ModelError(
                f"onnxruntime cannot run the model on images {' x '.join(map(str, batch.shape))}: "
                f"{_reason(error)}"
            ) from error
        return dict(zip(self.names, values, strict=True))


def tensor_difference(
    one: Mapping[str, Any], other: Mapping[str, Any], bounded: Collection[str] = ()
) -> float:
    """Return the largest difference between the tensors of two runs.

    The difference is relative to the largest value of each tensor. For `bounded` tensors, such as
    probabilities, it is relative to at least 1, because rounding turns a probability of 0 into
    about 1e-7. For tensors that are not floats, such as labels, it is the share of elements that
    differ, because rounding decides ties.
    """
    return max((_difference(one[n], other[n], float(n in bounded)) for n in one), default=0.0)


def _difference(one: np.ndarray, other: np.ndarray, least: float = 0.0) -> float:
    if one.shape != other.shape:
        return float("inf")
    if not one.size:
        return 0.0
    if not np.issubdtype(one.dtype, np.floating):
        return float(np.mean(one != other))
    least = max(least, float(np.finfo(one.dtype).tiny))  # smaller numbers lose digits
    one, other = one.astype(np.float64), other.astype(np.float64)
    if not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return float("inf")
    both = np.isfinite(one)
    apart = np.abs(one[both] - other[both]).max(initial=0.0)
    return float(apart / np.abs(one[both]).max(initial=least))


def _with_outputs(model: ModelProto, names: Sequence[str]) -> ModelProto:
    if not names:
        return model
    wider = copy_message(model)
    wider.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    return wider


def _joined(parts: list[np.ndarray], count: int) -> np.ndarray:
    if any(part.ndim == 0 for part in parts):
        return parts[0]
    return np.concatenate(parts)[:count]


def _reason(error: Exception) -> str:
    """Return onnxruntime's message, which names the node, as one line."""
    line = " ".join(str(error).split()) or type(error).__name__
    line = _IN_SOURCE.sub("", line.removeprefix("[ONNXRuntimeError] : "))
    return line.rstrip(".")[:300]
