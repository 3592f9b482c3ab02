"""Fold a constant scale into the layers before it, or after it."""

import numpy as np
from onnx import NodeProto, TensorProto

from stripe.onnx.graph import Graph, attribute, label
from stripe.onnx.scale import (
    CannotFold,
    ConstantScale,
    Edit,
    edit,
    has_input,
    scaled_input,
    scaled_output,
    weight,
)

#: Operations that commute with a scale of channels with any signs.
_LINEAR = {
    *("Identity", "Dropout", "AveragePool", "GlobalAveragePool"),
    *("Neg", "Upsample", "Transpose"),
}

#: Operations that commute with a scale without negative numbers.
_POSITIVE = {"Relu", "LeakyRelu", "PRelu", "MaxPool", "GlobalMaxPool"}

_REDUCTIONS = {"ReduceMean", "ReduceSum"}

#: Element types between which a cast only rounds.
_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE}

#: Operations that keep the channels if the input has a single position.
_FLATTEN = {"Flatten", "Squeeze", "Reshape"}


def fold_before(graph: Graph, tensor: str, scale: ConstantScale) -> list[Edit]:
    """Return the edits that scale a tensor.

    Raises
    ------
    CannotFold
        If another node reads the tensor too, or the nodes before it cannot absorb the scale.
    """
    node = graph.producer(tensor)
    if node is None:
        raise CannotFold(f"{tensor} is an input")
    if not graph.read_once(tensor):
        raise CannotFold(f"something else reads the output of {label(node)}")
    if node.op_type in ("Add", "Sub", "Sum"):
        return [one for n in range(len(node.input)) for one in _term(graph, node, n, scale)]
    if node.op_type in ("Mul", "Div"):
        return _factor_before(graph, node, scale)
    if node.op_type == "Concat":
        parts = _split(graph, node, scale)
        return [e for name, part in parts.items() for e in fold_before(graph, name, part)]
    if _passes(graph, node, scale):
        return fold_before(graph, node.input[0], _moved(node, scale, back=True))
    return scaled_output(graph, node, scale)


def fold_after(graph: Graph, tensor: str, scale: ConstantScale) -> list[Edit]:
    """Return the edits after which all readers of a tensor compute with the scaled tensor.

    Raises
    ------
    CannotFold
        If the tensor is an output of the graph, or one of its readers cannot absorb the scale.
    """
    readers = graph.readers(tensor)
    if tensor in graph.outputs:
        raise CannotFold(f"{tensor} is an output")
    if len({id(node) for node in readers}) < len(readers):
        raise CannotFold(f"{label(readers[0])} reads {tensor} twice")
    return [one for node in readers for one in _reader(graph, node, tensor, scale)]


def _reader(graph: Graph, node: NodeProto, tensor: str, scale: ConstantScale) -> list[Edit]:
    if node.op_type in ("Mul", "Div"):
        return _factor_after(graph, node, tensor, scale)
    if node.op_type == "Concat":
        return fold_after(graph, node.output[0], _widened(graph, node, tensor, scale))
    if node.input[0] != tensor:
        raise CannotFold(f"{label(node)} does not read the features as its first input")
    if node.op_type in _FLATTEN:
        return fold_after(graph, node.output[0], _flattened(graph, node, scale))
    if node.op_type in _REDUCTIONS and not attribute(node, "keepdims", 1):
        return fold_after(graph, node.output[0], _reduced(graph, node, scale))
    if _passes(graph, node, scale):
        return fold_after(graph, node.output[0], _moved(node, scale, back=False))
    return scaled_input(graph, node, scale)


def _term(graph: Graph, node: NodeProto, index: int, scale: ConstantScale) -> list[Edit]:
    """Scale one term of a sum."""
    name = node.input[index]
    if graph.constant(name) is not None:
        value = weight(graph, node, index).astype(np.float64)
        return [edit(graph, node, index, value * scale.shaped())]
    shape = graph.shapes.get(name)
    if shape is None or len(shape) != scale.rank or shape[scale.axis] != len(scale.vector):
        raise CannotFold(f"{label(node)} repeats one of its inputs along the channels")
    return fold_before(graph, name, scale)


def _factor_before(graph: Graph, node: NodeProto, scale: ConstantScale) -> list[Edit]:
    """Scale a product by a layer before it if possible, otherwise by its constant."""
    constant = next((i for i in (1, 0) if graph.constant(node.input[i]) is not None), None)
    if node.op_type == "Div" and constant == 0:
        return _constant_factor(graph, node, 0, scale)
    try:
        return _term(graph, node, 0 if constant is None else 1 - constant, scale)
    except CannotFold:
        if constant is None and node.op_type == "Mul":
            return _term(graph, node, 1, scale)
        if constant is None:
            raise
        return _constant_factor(graph, node, constant, scale)


def _factor_after(graph: Graph, node: NodeProto, tensor: str, scale: ConstantScale) -> list[Edit]:
    """Return the edits after which a product computes with a scaled factor."""
    index = list(node.input).index(tensor)
    if node.op_type == "Div" and index == 1:
        raise CannotFold(f"{label(node)} divides by the features")
    if graph.constant(node.input[1 - index]) is None:
        return fold_after(graph, node.output[0], scale)
    try:
        return fold_after(graph, node.output[0], scale)
    except CannotFold:
        return _constant_factor(graph, node, 1 - index, scale)


def _constant_factor(graph: Graph, node: NodeProto, index: int, scale: ConstantScale) -> list[Edit]:
    """Scale the constant of a product. A division by a constant becomes a product."""
    value = weight(graph, node, index).astype(np.float64)
    if value.ndim > scale.rank:
        raise CannotFold(f"{label(node)} adds axes to the features")
    if node.op_type == "Div" and index == 1:
        return [edit(graph, node, index, scale.shaped() / value, "Mul")]
    return [edit(graph, node, index, value * scale.shaped())]


def _passes(graph: Graph, node: NodeProto, scale: ConstantScale) -> bool:
    """Tell whether a scale of a node's input is the same scale of its output."""
    if len([name for name in node.output if name]) > 1:
        return False
    if node.op_type in ("Cast", "CastLike"):
        to = attribute(node, "to", graph.dtypes.get(node.output[0]))
        return {graph.dtypes.get(node.input[0]), to} <= _FLOATS
    if node.op_type == "Pad":
        return _pads_nothing_new(graph, node, scale)
    if node.op_type in _REDUCTIONS:
        axes = _axes(graph, node, scale.rank)
        return bool(attribute(node, "keepdims", 1)) and axes is not None and scale.axis not in axes
    if node.op_type == "PRelu" and graph.constant(node.input[1]) is None:
        return False
    if node.op_type == "Resize":
        return b"tf_crop" not in attribute(node, "coordinate_transformation_mode", b"")
    return node.op_type in _LINEAR or (
        node.op_type in _POSITIVE and bool((scale.vector >= 0).all())
    )


def _pads_nothing_new(graph: Graph, node: NodeProto, scale: ConstantScale) -> bool:
    """Tell whether padding adds zeros or existing values, and no channels."""
    by_input = graph.constant(node.input[1]) if has_input(node, 1) else None
    pads = attribute(node, "pads") if by_input is None else by_input.tolist()
    if pads is None or len(pads) != 2 * scale.rank or has_input(node, 3):
        return False
    if pads[scale.axis] or pads[scale.axis + scale.rank]:
        return False
    if attribute(node, "mode", b"constant") != b"constant":
        return True
    fill = graph.constant(node.input[2]) if has_input(node, 2) else attribute(node, "value", 0.0)
    return fill is not None and not np.any(fill)


def _axes(graph: Graph, node: NodeProto, rank: int) -> list[int] | None:
    """Return the axes of a reduction; None if they are unknown or all axes are reduced."""
    by_input = graph.constant(node.input[1]) if has_input(node, 1) else None
    axes = attribute(node, "axes") if by_input is None else by_input.tolist()
    return [axis % rank for axis in axes] if axes else None


def _reduced(graph: Graph, node: NodeProto, scale: ConstantScale) -> ConstantScale:
    """Return the scale of features without the axes that a reduction removes."""
    axes = _axes(graph, node, scale.rank)
    if axes is None or scale.axis in axes:
        raise CannotFold(f"{label(node)} reduces the channels")
    return scale.moved(scale.axis - sum(a < scale.axis for a in axes), scale.rank - len(axes))


def _moved(node: NodeProto, scale: ConstantScale, *, back: bool) -> ConstantScale:
    """Return the scale on the other side of a node."""
    if node.op_type != "Transpose":
        return scale
    order = attribute(node, "perm", list(range(scale.rank))[::-1])
    return scale.moved(order[scale.axis] if back else list(order).index(scale.axis), scale.rank)


def _flattened(graph: Graph, node: NodeProto, scale: ConstantScale) -> ConstantScale:
    """Return the scale of features (B, C, 1, 1) that become (B, C)."""
    before, after = graph.shapes.get(node.input[0]), graph.shapes.get(node.output[0])
    whole = before is not None and all(
        size == 1 for axis, size in enumerate(before) if axis not in (0, scale.axis)
    )
    kept = after is not None and len(after) >= 2 and after[1] in (len(scale.vector), None)
    if not whole or not kept or after is None or any(size != 1 for size in after[2:]):
        raise CannotFold(f"{label(node)} mixes channels and places")
    return scale.moved(1, len(after))


def _channels(graph: Graph, name: str, axis: int) -> int:
    shape = graph.shapes.get(name)
    size = None if shape is None or axis >= len(shape) else shape[axis]
    if size is None:
        raise CannotFold(f"the channels of {name} are not known")
    return size


def _split(graph: Graph, node: NodeProto, scale: ConstantScale) -> dict[str, ConstantScale]:
    """Return the share of each input of a concatenation."""
    if attribute(node, "axis") % scale.rank != scale.axis:
        return dict.fromkeys(node.input, scale)
    sizes = [_channels(graph, name, scale.axis) for name in node.input]
    parts = np.split(scale.vector, np.cumsum(sizes)[:-1])
    return {
        n: ConstantScale(p, scale.axis, scale.rank) for n, p in zip(node.input, parts, strict=True)
    }


def _widened(graph: Graph, node: NodeProto, tensor: str, scale: ConstantScale) -> ConstantScale:
    """Return the scale of a concatenation with one scaled input."""
    if attribute(node, "axis") % scale.rank != scale.axis:
        raise CannotFold(f"{label(node)} puts features beside others along their places")
    parts = [
        scale.vector if name == tensor else np.ones(_channels(graph, name, scale.axis))
        for name in node.input
    ]
    return ConstantScale(np.concatenate(parts), scale.axis, scale.rank)
