"""Find the gates of an ONNX graph."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path

from onnx import ModelProto, NodeProto, TensorProto

from stripe.errors import ModelError
from stripe.gates.choose import chosen_gates
from stripe.gates.layout import Shape, gate_shape
from stripe.onnx.flow import Flow, flow
from stripe.onnx.graph import Dims, Graph
from stripe.onnx.image_input import image_input
from stripe.onnx.load import load_model
from stripe.onnx.measure import measured_shapes
from stripe.recording import Gate
from stripe.select import Selection

KINDS = ("gate", "split", "response")
DEFAULT_KINDS = ("gate", "split")

#: Operations that repeat or rename a tensor, or give it ones in its shape: not a gate of its own.
_REPEATS = {"Identity", "Cast", "Expand"}
_QUANTISES = {"QuantizeLinear", "DequantizeLinear"}
_SAME_NUMBERS = {*_REPEATS, *_QUANTISES, "Reshape", "Unsqueeze", "Squeeze", "Flatten"}

#: Operations whose output has its channels in the first dimension after the images'.
_CHANNELS_FIRST = {"Conv", "ConvTranspose", "BatchNormalization", "InstanceNormalization"}
_CHANNELS_LAST = {"MatMul", "Gemm", "LayerNormalization"}

#: Sizes that stand for dimensions that are not known: of two that differ, no one repeats the other.
_ANY_SIZE = 1_000_003


@dataclass(frozen=True, kw_only=True)
class Site:
    """A product of features and a gate.

    Parameters
    ----------
    product, features, operand
        Names of tensors; the operand is the gate before it is repeated.
    index
        Index of the input of the product that is the gate.
    layout, groups
        As of `Gate`.
    """

    product: str
    features: str
    operand: str
    index: int
    layout: str
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class Place:
    """A gate, and everywhere that it multiplies; what is recorded is taken from the last site."""

    gate: Gate
    sites: tuple[Site, ...] = field(default=())


def find_gates(
    model: str | Path | ModelProto, *, kinds: Collection[str] = DEFAULT_KINDS
) -> list[Gate]:
    """Find where an ONNX graph multiplies a feature map by a gate.

    A gate is a tensor with one number per channel that depends on the image, was squashed into
    bounds (Sigmoid, HardSigmoid, Tanh, Softmax, Clip), and multiplies a feature map; Reshape,
    Unsqueeze, Cast, Expand, quantisation and constants that scale it may lie between. Nothing is
    taken from names. Shapes are those that ONNX infers; where that is not enough to tell, the graph
    runs once.

    Parameters
    ----------
    model
        An ONNX file or model with one input, a batch of images.
    kinds
        Which kinds to return: "gate" and "split" by default, also "response". `Gate` says what
        they are.

    Returns
    -------
    list of Gate
        In the order of the multiplications. Their names are those of the tensors that hold the
        gates, owners and producers are nodes.

    Raises
    ------
    ModelError
        If the file is not ONNX, its external data is missing, it has several inputs or one that is
        no batch of images, or a kind does not exist.

    Notes
    -----
    Not found: gates in the bodies of If, Loop and Scan, gates of operators of other domains than
    ONNX's, spatial maps, constants, and products whose shapes are not known.

    Examples
    --------
    >>> [gate.channels for gate in stripe.onnx.find_gates("model.onnx")]
    [8, 12]
    """
    if isinstance(kinds, str) or (unknown := set(kinds) - set(KINDS)):
        came = kinds if isinstance(kinds, str) else sorted(unknown)[0]
        raise ModelError(f"kinds are several of {', '.join(KINDS)}, got {came!r}")
    model = model if isinstance(model, ModelProto) else load_model(model)
    return [place.gate for place in find_places(Graph(model)) if place.gate.kind in kinds]


def find_places(graph: Graph) -> list[Place]:
    """Return every gate of a graph, of any kind, and where it is."""
    watched = flow(graph, image_input(graph.model).name)
    products = [
        n for n in graph.graph.node if n.op_type == "Mul" and all(map(watched.depends, n.input))
    ]
    if unknown := _unknown(graph, products):
        graph.shapes.update(measured_shapes(graph.model, unknown))
    found: dict[str, Place] = {}
    for node in products:
        for index in (1, 0):
            if (place := _place(graph, watched, node, index)) is not None:
                before = found.pop(place.gate.name, None)
                sites = (*(before.sites if before else ()), *place.sites)
                found[place.gate.name] = replace(place, sites=sites)
                break
    return list(found.values())


def chosen_places(places: Sequence[Place], gates: Selection | None) -> list[Place]:
    """Return the places of the gates that are meant.

    Raises
    ------
    ModelError
        If there are none.
    UnknownNameError
        If none has a given name.
    """
    if not callable(gates):
        places = [place for place in places if place.gate.kind in DEFAULT_KINDS]
    if not places:
        raise ModelError(
            "no gates were found in this graph; stripe.onnx.find_gates says what counts as one"
        )
    chosen = {gate.name for gate in chosen_gates([place.gate for place in places], gates)}
    return [place for place in places if place.gate.name in chosen]


def _unknown(graph: Graph, products: list[NodeProto]) -> list[str]:
    """Return the tensors of unknown shape, if they leave open which products are gates."""
    operands = {_compact(graph, name) for node in products for name in node.input}
    features = {name for node in products for name in node.input}
    unclear = {name for name in operands | features if _unclear(graph.shapes.get(name))}
    made = {name for node in graph.graph.node for name in node.output if name}
    unknown = {name for name in made if _without_channels(graph.shapes.get(name))}
    return sorted(unclear | unknown) if unclear else []


def _without_channels(shape: Dims | None) -> bool:
    return shape is None or None in shape[1:2]


def _unclear(shape: Dims | None) -> bool:
    return shape is None or (None in shape[1:] and 1 in shape[1:])


def _place(graph: Graph, watched: Flow, node: NodeProto, index: int) -> Place | None:
    """Return the gate that one input of a product is."""
    features, operand = node.input[1 - index], _compact(graph, node.input[index])
    shape = _shape(graph.shapes.get(features), graph.shapes.get(operand))
    bounded = watched.is_bounded(operand)
    if shape is None or not _plausible(graph, watched, features, shape, bounded):
        return None
    producer = graph.producer(features)
    kind = ("split" if shape.layout == "NRC11" else "gate") if bounded else "response"
    gate = Gate(
        name=_root(graph, operand),
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
    return Place(gate=gate, sites=(site,))


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
    # The batch may be one image, in which a gate of it and one of all cannot be told apart.
    found = gate_shape([_ANY_SIZE, *known[1:]], [_ANY_SIZE, *sizes[1:]])
    return found if prod(sizes[1:]) < _ANY_SIZE else None


def _plausible(graph: Graph, watched: Flow, features: str, shape: Shape, bounded: bool) -> bool:
    """Tell whether (B, C, 1) is a gate of signals (B, C, T) and not a weight per token."""
    return not shape.of_signals or (bounded and _channels_first(graph, watched, features))


def _channels_first(graph: Graph, watched: Flow, tensor: str) -> bool:
    """Tell whether the layer that made a tensor has its channels behind the images."""
    while (node := graph.producer(tensor)) is not None:
        if node.op_type in _CHANNELS_FIRST:
            return True
        before = next((name for name in node.input if watched.depends(name)), None)
        if node.op_type in {*_CHANNELS_LAST, "Transpose", "Reshape"} or before is None:
            return False
        tensor = before
    return False


def _compact(graph: Graph, tensor: str) -> str:
    """Return the tensor that was repeated, perhaps before it was quantised."""
    compact = tensor
    while (node := graph.producer(tensor)) is not None and node.op_type in _REPEATS | _QUANTISES:
        same = tensor == compact and node.op_type in _REPEATS
        tensor = node.input[0]
        compact = tensor if same or node.op_type == "Expand" else compact
    return compact


def _root(graph: Graph, tensor: str) -> str:
    """Return the tensor that has the numbers of a gate, before its shape was changed."""
    while (node := graph.producer(tensor)) is not None and node.op_type in _SAME_NUMBERS:
        tensor = node.input[0]
    return tensor
