"""The products of features and gates in an ONNX graph."""

from dataclasses import dataclass, field, replace
from math import prod

from onnx import NodeProto, TensorProto

from stripe.gates.shape import Shape, gate_shape
from stripe.onnx.flow import GraphFlow, flow
from stripe.onnx.graph import Dims, Graph
from stripe.onnx.image_input import image_input
from stripe.onnx.measure import measured_shapes
from stripe.recording import Gate

#: Operations that repeat, rename or cast a tensor. Their output is not a separate gate.
_REPEATS = {"Identity", "Cast", "Expand"}
_QUANTISES = {"QuantizeLinear", "DequantizeLinear"}
_SAME_NUMBERS = {*_REPEATS, "Reshape", "Unsqueeze", "Squeeze", "Flatten"}

#: Operations whose output has its channels in the dimension after that of the images.
_CHANNELS_FIRST = {"Conv", "ConvTranspose", "BatchNormalization", "InstanceNormalization"}
_CHANNELS_LAST = {"MatMul", "Gemm", "LayerNormalization"}

#: Operations that multiply, and which of their inputs are the factors.
FACTORS = {"Mul": (0, 1), "QLinearMul": (0, 3)}

#: Base of the sizes that replace unknown dimensions, so large that none equals a known size.
_ANY_SIZE = 1_000_003


@dataclass(frozen=True, kw_only=True)
class Site:
    """A product of features and a gate.

    Parameters
    ----------
    product, features, operand
        Names of tensors. The operand is the gate before it is repeated.
    index
        Index of the input of the product that is the gate.
    layout, groups
        As in `Gate`.
    """

    product: str
    features: str
    operand: str
    index: int
    layout: str
    groups: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a constant gate, with -1 for the channels."""
        return tuple({"R": self.groups, "C": -1}.get(axis, 1) for axis in self.layout)

    @property
    def axes(self) -> list[int]:
        """The axes along which the gate has size 1."""
        return [number for number, axis in enumerate(self.layout) if axis == "1"]


@dataclass(frozen=True, kw_only=True)
class GraphPlace:
    """A gate and all its products. Recorded values come from the last product."""

    gate: Gate
    sites: tuple[Site, ...] = field(default=())


def graph_places(graph: Graph) -> list[GraphPlace]:
    """Return every gate, of any kind, on which an output of a graph depends, with its products.

    Bodies of control flow are left out.
    """
    watched = flow(graph, image_input(graph.model).name)
    products = [n for n in graph.live() if n.op_type in FACTORS and _multiplies(watched, n)]
    if unknown := _unknown(graph, products):
        graph.shapes.update(measured_shapes(graph.model, unknown))
    found: dict[str, GraphPlace] = {}
    for node in products:
        for index in FACTORS[node.op_type][::-1]:
            if (place := _place(graph, watched, node, index)) is not None:
                numbers = _root(graph, place.gate.name, _SAME_NUMBERS | _QUANTISES)
                before = found.pop(numbers, None)
                sites = (*(before.sites if before else ()), *place.sites)
                found[numbers] = replace(place, sites=sites)
                break
    return list(found.values())


def _multiplies(watched: GraphFlow, node: NodeProto) -> bool:
    """Tell whether both factors of a product depend on the image."""
    return all(watched.depends(node.input[index]) for index in FACTORS[node.op_type])


def _unknown(graph: Graph, products: list[NodeProto]) -> list[str]:
    """Return the tensors of unknown shape, if they decide whether a product has a gate."""
    features = {node.input[index] for node in products for index in FACTORS[node.op_type]}
    operands = {_compact(graph, name) for name in features}
    unclear = {name for name in operands | features if _unclear(graph.shapes.get(name))}
    made = {name for node in graph.graph.node for name in node.output if name}
    unknown = {name for name in made if _without_channels(graph.shapes.get(name))}
    return sorted(unclear | unknown) if unclear else []


def _without_channels(shape: Dims | None) -> bool:
    return shape is None or None in shape[1:2]


def _unclear(shape: Dims | None) -> bool:
    return shape is None or _without_channels(shape) or (None in shape[1:] and 1 in shape[1:])


def _place(graph: Graph, watched: GraphFlow, node: NodeProto, index: int) -> GraphPlace | None:
    """Return the gate at one input of a product, or None."""
    features = node.input[sum(FACTORS[node.op_type]) - index]
    operand = _compact(graph, node.input[index])
    shape = _shape(graph.shapes.get(features), graph.shapes.get(operand))
    bounded = watched.is_bounded(operand)
    if shape is None or not _plausible(graph, watched, features, shape, bounded):
        return None
    producer = graph.producer(features)
    kind = ("split" if shape.layout == "NRC11" else "gate") if bounded else "response"
    gate = Gate(
        name=_root(graph, operand, _SAME_NUMBERS),
        owner=node.name or node.output[0],
        owner_class=node.op_type,
        channels=shape.channels,
        groups=shape.groups,
        kind=kind,
        layout=shape.layout,
        producer="" if producer is None else producer.name or producer.output[0],
        consumers=tuple(n.name or n.output[0] for n in graph.readers(node.output[0])),
        dtype=TensorProto.DataType.Name(graph.dtypes.get(operand, 1)).lower(),
    )
    site = Site(
        product=node.output[0],
        features=features,
        operand=operand,
        index=index,
        layout=shape.layout,
        groups=shape.groups,
    )
    return GraphPlace(gate=gate, sites=(site,))


def _shape(features: Dims | None, gate: Dims | None) -> Shape | None:
    """Return how a gate multiplies features, whose sizes need not all be known."""
    if features is None or gate is None or len(gate) > len(features):
        return None
    gate = (1,) * (len(features) - len(gate)) + gate
    known = [
        wide or (narrow if narrow not in (None, 1) else _ANY_SIZE + axis)
        for axis, (wide, narrow) in enumerate(zip(features, gate, strict=True))
    ]
    sizes = [narrow or size for narrow, size in zip(gate, known, strict=True)]
    # For a batch of one image, a gate per image and a gate for all images have the same shape.
    found = gate_shape([_ANY_SIZE, *known[1:]], [_ANY_SIZE, *sizes[1:]])
    return found if prod(sizes[1:]) < _ANY_SIZE else None


def _plausible(
    graph: Graph, watched: GraphFlow, features: str, shape: Shape, bounded: bool
) -> bool:
    """Tell whether (B, C, 1) is a gate of signals (B, C, T) and not a weight per token."""
    return not shape.of_signals or (bounded and _channels_first(graph, watched, features))


def _channels_first(graph: Graph, watched: GraphFlow, tensor: str) -> bool:
    """Tell whether the layer that computed a tensor has its channels after the images."""
    while (node := graph.producer(tensor)) is not None:
        if node.op_type in _CHANNELS_FIRST:
            return True
        before = next((name for name in node.input if watched.depends(name)), None)
        if node.op_type in {*_CHANNELS_LAST, "Transpose", "Reshape"} or before is None:
            return False
        tensor = before
    return False


def _compact(graph: Graph, tensor: str) -> str:
    """Return the tensor before it was repeated, also across quantisation."""
    compact = tensor
    while (node := graph.producer(tensor)) is not None:
        wider = _widens(graph, node)
        if not wider and node.op_type not in _REPEATS | _QUANTISES:
            break
        same = tensor == compact and node.op_type in _REPEATS
        tensor = node.input[0]
        compact = tensor if same or wider else compact
    return compact


def _widens(graph: Graph, node: NodeProto) -> bool:
    """Tell whether a node repeats one number per channel at every position."""
    if node.op_type in ("Tile", "Resize", "Upsample"):
        before, after = (graph.shapes.get(name) for name in (node.input[0], node.output[0]))
        if before is None or after is None or len(before) != 4 or len(after) != 4:
            return False
        return before[1] == after[1] and before[2:] == (1, 1)
    return node.op_type == "Expand"


def _root(graph: Graph, tensor: str, same: set[str]) -> str:
    """Return the tensor before all operations of `same`, which do not change the numbers."""
    while (node := graph.producer(tensor)) is not None and node.op_type in same:
        tensor = node.input[0]
    return tensor
