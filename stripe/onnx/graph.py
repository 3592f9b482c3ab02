"""An ONNX graph with the producers and readers of its tensors, which can be edited."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.shape_inference import InferenceError, infer_shapes

from stripe.errors import ModelError
from stripe.onnx.copied import copy_message
from stripe.onnx.load import serialised

#: Operations that return a constant in another form.
_HANDS_ON = {"Identity", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Cast", "Transpose"}

#: Operations that read the shape of a tensor and not its values.
_OF_SHAPES = {"Shape", "Size"}

#: A dimension that is not known before the model runs.
UNKNOWN = None
Dims = tuple[int | None, ...]


class Graph:
    """The graph of a model; edits change the model itself.

    Parameters
    ----------
    model
        A model. Subgraphs (If, Loop, Scan) are not changed. The tensors that they read count as
        read.
    known
        Shapes of tensors, for those whose shape ONNX cannot infer.
    """

    def __init__(self, model: ModelProto, known: Mapping[str, Dims] | None = None) -> None:
        self.model = model
        self.graph = model.graph
        self.opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
        inferred, self.dtypes = _inferred(model)
        self.shapes = {**(known or {}), **inferred}
        self.refresh()

    def refresh(self) -> None:
        """Read the nodes again, after an edit."""
        self.outputs = {value.name for value in self.graph.output}
        self._initializers = {tensor.name: tensor for tensor in self.graph.initializer}
        self._producers = {name: node for node in self.graph.node for name in node.output if name}
        self._readers: dict[str, list[NodeProto]] = {}
        for node in self.graph.node:
            for name in reads(node):
                self._readers.setdefault(name, []).append(node)
        self._names = {
            *self._initializers, *self._producers, *self._readers,
            *(value.name for value in self.graph.input),
        }  # fmt: skip

    def producer(self, tensor: str) -> NodeProto | None:
        """Return the node that computes a tensor; None for inputs and weights."""
        return self._producers.get(tensor)

    def readers(self, tensor: str) -> list[NodeProto]:
        """Return the nodes that read the values of a tensor, once for each reading input."""
        return [node for node in self._readers.get(tensor, []) if tensor in values_of(node)]

    def read_once(self, tensor: str) -> bool:
        """Tell whether only one node reads a tensor, once, and the tensor is not an output."""
        return len(self.readers(tensor)) == 1 and tensor not in self.outputs

    def constant(self, tensor: str) -> np.ndarray | None:
        """Return the value of a constant tensor; None if it is not known to be constant."""
        if tensor in self._initializers:
            value: np.ndarray = numpy_helper.to_array(self._initializers[tensor])
            return value
        node = self.producer(tensor)
        if node is None:
            return None
        if node.op_type == "Constant":
            return _constant(node)
        if node.op_type not in _HANDS_ON:
            return None
        values = [self.constant(name) for name in node.input if name]
        known = [value for value in values if value is not None]
        return _evaluated(node, known, self.model) if len(known) == len(values) else None

    def origin(self, tensor: str) -> str:
        """Return the tensor before all Identity nodes that produce a tensor."""
        while (node := self.producer(tensor)) is not None and node.op_type == "Identity":
            tensor = node.input[0]
        return tensor

    def add_constant(self, name: str, value: np.ndarray) -> str:
        """Add a weight under a new name, and return this name."""
        new = self.new_name(name)
        tensor = numpy_helper.from_array(np.ascontiguousarray(value), new)
        self.graph.initializer.append(tensor)
        self._initializers[new] = self.graph.initializer[-1]
        if self.model.ir_version < 4:  # weights are inputs too
            shaped = helper.make_tensor_value_info(new, tensor.data_type, tensor.dims)
            self.graph.input.append(shaped)
        return new

    def new_name(self, name: str) -> str:
        """Return a name that no tensor has."""
        return new_name(name, self._names)

    def rename_output(self, old: str, new: str) -> None:
        """Rename the output of a node."""
        node = self.producer(old)
        assert node is not None
        node.output[list(node.output).index(old)] = new

    def rename_inputs(self, old: str, new: str) -> None:
        """Let all readers of the tensor `old` read the tensor `new`."""
        for node in self.graph.node:
            for number, name in enumerate(node.input):
                if name == old:
                    node.input[number] = new

    def remove(self, node: NodeProto) -> None:
        """Remove a node."""
        self.graph.node.remove(node)

    def in_order(self) -> list[NodeProto]:
        """Return the nodes in an order in which they can run. Files may have another order."""
        return _in_order(self.graph.node)

    def live(self) -> list[NodeProto]:
        """Return the nodes that an output depends on, in an order in which they can run."""
        needed, kept = set(self.outputs), []
        for node in reversed(self.in_order()):
            if needed & set(node.output):
                kept.append(node)
                needed.update(reads(node))
        return kept[::-1]

    def remove_dead(self) -> None:
        """Remove the nodes that no output depends on, and the weights that no node reads."""
        kept = self.live()
        _replace(self.graph.node, kept)
        needed = self.outputs.union(*map(reads, kept))
        weights = {tensor.name for tensor in self.graph.initializer}
        made = needed | {name for node in kept for name in node.output}
        _keep(self.graph.initializer, needed)
        _keep(self.graph.input, {v.name for v in self.graph.input} - (weights - needed))
        _keep(self.graph.value_info, made)
        annotations = [a for a in self.graph.quantization_annotation if a.tensor_name in made]
        _replace(self.graph.quantization_annotation, annotations)
        self.refresh()


def new_name(name: str, taken: set[str]) -> str:
    """Return a new name, with a number if needed, and add it to `taken`."""
    number, new = 0, name
    while new in taken:
        number, new = number + 1, f"{name}_{number + 1}"
    taken.add(new)
    return new


def label(node: NodeProto) -> str:
    """Return the name of a node in messages: its operation, and its name or output."""
    return f"{node.op_type} {node.name or node.output[0]}"


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """Return the value of an attribute of a node."""
    found = next((a for a in node.attribute if a.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def values_of(node: NodeProto) -> list[str]:
    """Return the tensors whose values a node reads, and not only their shape or number format."""
    if node.op_type in _OF_SHAPES:
        return []
    return [node.input[0]] if node.op_type == "CastLike" else list(reads(node))


def fused_activation(node: NodeProto) -> str | None:
    """Return the activation of a layer fused by onnxruntime, or ""; None for another layer."""
    if node.op_type not in ("FusedConv", "FusedGemm"):
        return None
    activation: bytes = attribute(node, "activation", b"")
    return activation.decode()


def reads(node: NodeProto) -> Iterator[str]:
    """Yield the tensors that a node reads, also in its subgraphs."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            own = {name for inner in graph.node for name in inner.output}
            own |= {v.name for v in (*graph.input, *graph.initializer)}
            inner = (name for node in graph.node for name in reads(node))
            yield from (n for n in (*inner, *(v.name for v in graph.output)) if n not in own)


def _in_order(nodes: Sequence[NodeProto]) -> list[NodeProto]:
    """Sort nodes so that each follows those whose outputs it reads. The sort is stable."""
    missing = {name for node in nodes for name in node.output if name}
    ordered: list[NodeProto] = []
    waiting = list(nodes)
    while waiting:
        late = []
        for node in waiting:
            if missing.isdisjoint(reads(node)):
                ordered.append(node)
                missing.difference_update(node.output)
            else:
                late.append(node)
        if len(late) == len(waiting):
            raise ModelError(
                "the nodes of a graph must not form a circle, got one that includes or precedes "
                f"{label(late[0])}; export the model again"
            )
        waiting = late
    return ordered


def _inferred(model: ModelProto) -> tuple[dict[str, Dims], dict[str, int]]:
    """Return the shapes and the element types of all tensors, as far as they are known."""
    serialised(model)  # raises an error if it is too large
    try:
        graph: GraphProto = infer_shapes(model, data_prop=True).graph
    except (InferenceError, RuntimeError):
        graph = model.graph
    shapes: dict[str, Dims] = {t.name: tuple(t.dims) for t in graph.initializer}
    dtypes: dict[str, int] = {t.name: t.data_type for t in graph.initializer}
    for value in (*graph.value_info, *graph.input, *graph.output):
        tensor = value.type.tensor_type
        dtypes[value.name] = tensor.elem_type
        if tensor.HasField("shape"):
            shapes[value.name] = dims(tensor)
    return shapes, dtypes


def dims(tensor: Any) -> Dims:
    """Return the dimensions of a tensor's type. Exporters also write -1 for unknown ones."""
    return tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else UNKNOWN
        for dim in tensor.shape.dim
    )


def _constant(node: NodeProto) -> np.ndarray | None:
    value = attribute(node, "value")
    if isinstance(value, TensorProto):
        array: np.ndarray = numpy_helper.to_array(value)
        return array
    for name, dtype in (("value_float", "f4"), ("value_floats", "f4"), ("value_int", "i8"),
                        ("value_ints", "i8")):  # fmt: skip
        if (plain := attribute(node, name)) is not None:
            return np.asarray(plain, dtype=dtype)
    return None


def _evaluated(node: NodeProto, values: Sequence[np.ndarray], model: ModelProto) -> np.ndarray:
    """Return the output of a node for constants."""
    from onnx.reference import ReferenceEvaluator

    names = [f"x{number}" for number in range(len(values))]
    alone = copy_message(node)
    _replace(alone.input, names)
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
        for name, v in zip(names, values, strict=True)
    ]
    output = helper.make_empty_tensor_value_info(alone.output[0])
    graph = helper.make_graph([alone], "constant", inputs, [output])
    whole = helper.make_model(graph, opset_imports=model.opset_import)
    results: Any = ReferenceEvaluator(whole).run(None, dict(zip(names, values, strict=True)))
    made: np.ndarray = results[0]
    return made


def _replace(field: Any, values: Sequence[Any]) -> None:
    del field[:]
    field.extend(values)


def _keep(field: Any, names: set[str]) -> None:
    _replace(field, [entry for entry in field if entry.name in names])
