"""A constant scale of channels, and its effect on the weights of a node."""

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from stripe.onnx.graph import Graph, attribute, fused_activation, label

#: Layers of ONNX, and of onnxruntime, which fuses activations into them.
_CONVOLUTIONS = {"Conv", "FusedConv"}
_LINEAR_LAYERS = {"Gemm", "FusedGemm"}


class CannotFold(Exception):  # noqa: N818
    """A scale cannot be folded into a graph. The message gives the reason and names the node."""


@dataclass(frozen=True)
class ConstantScale:
    """One number per channel of a tensor.

    Parameters
    ----------
    vector
        The numbers, in float64.
    axis
        The axis of the channels.
    rank
        The number of axes of the tensor.
    """

    vector: np.ndarray
    axis: int
    rank: int

    def shaped(self) -> np.ndarray:
        """Return the numbers in the shape in which they multiply the tensor."""
        shape = [1] * self.rank
        shape[self.axis] = len(self.vector)
        return self.vector.reshape(shape)

    def moved(self, axis: int, rank: int) -> "ConstantScale":
        """Return the same scale for a tensor with other axes."""
        return ConstantScale(self.vector, axis, rank)


@dataclass(frozen=True)
class Edit:
    """A new constant for an input of a node, and a new operation if it changes."""

    node: NodeProto
    index: int
    value: np.ndarray
    op_type: str | None = None


def edit(
    graph: Graph, node: NodeProto, index: int, value: np.ndarray, op_type: str | None = None
) -> Edit:
    """Return an edit in the number format of the existing constant.

    Raises
    ------
    CannotFold
        If the value does not fit the format.
    """
    old = weight(graph, node, index)
    with np.errstate(over="ignore"):
        new = np.asarray(value).astype(old.dtype)
    if not np.isfinite(new).all():
        raise CannotFold(f"the scaled weights of {label(node)} do not fit {old.dtype}")
    return Edit(node, index, new, op_type)


def weight(graph: Graph, node: NodeProto, index: int) -> np.ndarray:
    """Return the constant that a node reads.

    Raises
    ------
    CannotFold
        If the input is not a constant of floats, for example because it is quantised.
    """
    value = graph.constant(node.input[index])
    if value is None or not np.issubdtype(value.dtype, np.floating):
        made = graph.producer(node.input[index])
        how = f" ({made.op_type})" if made is not None else ""
        raise CannotFold(f"the weights of {label(node)} are no constant of floats{how}")
    return value.astype(value.dtype)


def has_input(node: NodeProto, index: int) -> bool:
    """Tell whether a node has an optional input."""
    return len(node.input) > index and bool(node.input[index])


def scaled_output(graph: Graph, node: NodeProto, scale: ConstantScale) -> list[Edit]:
    """Return the edits that scale the output of a layer.

    Raises
    ------
    CannotFold
        If the node is not a layer with weights that scale its output.
    """
    first_two = scale.axis == 1
    _check_activation(node, scale)
    if node.op_type in _CONVOLUTIONS and first_two:
        return _each(
            graph, node, {1: lambda w: _along(w, scale.vector, 0), 2: _times(scale.vector)}
        )
    if node.op_type == "ConvTranspose" and first_two:
        groups = attribute(node, "group", 1)
        return _each(graph, node, {1: lambda w: _grouped(w, scale.vector, groups),
                                   2: _times(scale.vector)})  # fmt: skip
    if node.op_type in ("BatchNormalization", "InstanceNormalization") and first_two:
        _check_inference(node)
        return _each(graph, node, {1: _times(scale.vector), 2: _times(scale.vector)})
    if node.op_type in _LINEAR_LAYERS and first_two:
        axis = 0 if attribute(node, "transB", 0) else 1
        return _each(graph, node, {1: lambda w: _along(w, scale.vector, axis),
                                   2: _times(scale.vector)})  # fmt: skip
    if node.op_type == "MatMul" and scale.axis == scale.rank - 1:
        return _each(graph, node, {1: lambda w: _along(w, scale.vector, w.ndim - 1)})
    if node.op_type == "LayerNormalization" and scale.axis == scale.rank - 1:
        return _each(graph, node, {1: _times(scale.vector), 2: _times(scale.vector)})
    raise CannotFold(f"{label(node)} has no weights that scale its channels")


def scaled_input(graph: Graph, node: NodeProto, scale: ConstantScale) -> list[Edit]:
    """Return the edits after which a layer gives the output that it gave for the scaled input.

    Raises
    ------
    CannotFold
        If the node is not a layer with weights for the channels of its input.
    """
    first_two = scale.axis == 1
    groups = attribute(node, "group", 1)
    if node.op_type in _CONVOLUTIONS and first_two:
        return _each(graph, node, {1: lambda w: _grouped(w, scale.vector, groups)})
    if node.op_type == "ConvTranspose" and first_two:
        return _each(graph, node, {1: lambda w: _along(w, scale.vector, 0)})
    if node.op_type in _LINEAR_LAYERS and first_two and not attribute(node, "transA", 0):
        axis = 1 if attribute(node, "transB", 0) else 0
        return _each(graph, node, {1: lambda w: _along(w, scale.vector, axis)})
    if node.op_type == "MatMul" and scale.axis == scale.rank - 1:
        return _each(graph, node, {1: lambda w: _along(w, scale.vector, max(w.ndim - 2, 0))})
    if node.op_type == "BatchNormalization" and first_two:
        _check_inference(node)
        return _norm_of_scaled(graph, node, scale.vector)
    raise CannotFold(f"{label(node)} has no weights for the channels of its input")


def _norm_of_scaled(graph: Graph, node: NodeProto, vector: np.ndarray) -> list[Edit]:
    """Scale the gain of a norm, and move its mean into its bias, because the scale may be 0."""
    gain, bias, mean, var = (weight(graph, node, i).astype(np.float64) for i in range(1, 5))
    slope = gain / np.sqrt(var + attribute(node, "epsilon", 1e-5))
    return [
        edit(graph, node, 1, gain * vector),
        edit(graph, node, 2, bias - slope * mean),
        edit(graph, node, 3, np.zeros_like(mean)),
    ]


def _check_inference(node: NodeProto) -> None:
    if attribute(node, "training_mode", 0) or len([name for name in node.output if name]) > 1:
        raise CannotFold(f"{label(node)} normalises by the batch")


def _check_activation(node: NodeProto, scale: ConstantScale) -> None:
    """Raise an error if onnxruntime fused an operation into a layer that the scale changes."""
    activation = fused_activation(node)
    if not activation and not (node.op_type == "FusedConv" and has_input(node, 3)):
        return
    if has_input(node, 3) or activation not in ("Relu", "LeakyRelu") or (scale.vector < 0).any():
        raise CannotFold(f"{label(node)} includes {activation or 'a sum'}, which the scale changes")


def _each(graph: Graph, node: NodeProto, rules: dict[int, object]) -> list[Edit]:
    """Apply a rule to each constant that a node has."""
    edits = []
    for index, rule in rules.items():
        if has_input(node, index):
            value = weight(graph, node, index).astype(np.float64)
            try:
                edits.append(edit(graph, node, index, rule(value)))  # type: ignore[operator]
            except ValueError as error:
                raise CannotFold(f"{label(node)} has other channels than the gate") from error
    return edits


def _times(vector: np.ndarray) -> object:
    return lambda value: value * vector


def _along(value: np.ndarray, vector: np.ndarray, axis: int) -> np.ndarray:
    """Multiply along one axis."""
    return _kept(value, value * ConstantScale(vector, axis, value.ndim).shaped())


def _grouped(value: np.ndarray, vector: np.ndarray, groups: int) -> np.ndarray:
    """Multiply along axis 1, the channels of each group; axis 0 holds group after group."""
    split = value.reshape(groups, -1, *value.shape[1:])
    shape = [groups, 1, len(vector) // groups] + [1] * (split.ndim - 3)
    return _kept(value, (split * vector.reshape(shape)).reshape(value.shape))


def _kept(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    if before.shape != after.shape:
        raise ValueError("the vector is wider than the weights")
    return after
