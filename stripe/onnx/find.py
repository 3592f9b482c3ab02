"""Find the gates of an ONNX graph, and refuse those that cannot be recorded."""

from collections.abc import Collection, Sequence
from pathlib import Path

from onnx import ModelProto

from stripe.errors import ModelError
from stripe.gates.choose import chosen_gates
from stripe.onnx.bodies import flattened
from stripe.onnx.graph import Graph, label
from stripe.onnx.load import load_model
from stripe.onnx.places import GraphPlace, graph_places
from stripe.recording import Gates
from stripe.registry import listed
from stripe.select import Selection
from stripe.typed import typed

KINDS = ("gate", "split", "response")
DEFAULT_KINDS = ("gate", "split")

#: The domain of layers whose channels and weights lie in blocks, which onnxruntime writes.
_BLOCKED = "com.microsoft.nchwc"


@typed
def find_gates(model: str | Path | ModelProto, *, kinds: Collection[str] = DEFAULT_KINDS) -> Gates:
    """Find where an ONNX graph multiplies a feature map by a gate.

    A gate is a tensor with one number per channel, or per branch and channel. It multiplies a
    feature map and depends on the image. Unless its kind is "response", it is bounded by an
    operation such as Sigmoid, HardSigmoid, Tanh, Softmax or Clip, or by a comparison. Between this
    operation and the product there may be Reshape, Unsqueeze, Cast, Expand, quantisation and
    constant scales. Names are not used. The shapes are inferred by ONNX. If that is not sufficient,
    they are measured by running the graph.

    Parameters
    ----------
    model
        An ONNX file or model with one input, a batch of images.
    kinds
        Kinds to return: "gate", "split" and "response", as in `Gate`. Default: "gate" and "split".

    Returns
    -------
    Gates
        A list of `Gate`, in the order of the multiplications. The name of a gate is the name of its
        tensor. Owners and producers are nodes.

    Raises
    ------
    ModelError
        In one of these cases:

        - the file does not exist, is not ONNX, has 2 GiB or more, or its external data is missing;
        - the graph has several inputs, its input is not a batch of images, or it has no output;
        - onnxruntime optimised the file for one machine (ORT_ENABLE_ALL), or cannot load it to
          measure shapes;
        - a kind does not exist;
        - a gate cannot be recorded or frozen, because it is in the body of an If, Loop or Scan, or
          is an input of QLinearMul.

    Notes
    -----
    These are not found: gates from operators outside the ONNX domain (except FusedConv and
    FusedGemm of onnxruntime), gates of features with a single position (1 x 1), spatial maps,
    constants, and products of unknown shapes. In a graph quantised by QuantizeLinear and
    DequantizeLinear, the gate is the tensor after DequantizeLinear.

    Examples
    --------
    >>> [gate.channels for gate in stripe.onnx.find_gates("model.onnx")]
    [8, 12]
    """
    if isinstance(kinds, str) or (unknown := set(kinds) - set(KINDS)):
        came = kinds if isinstance(kinds, str) else sorted(unknown)[0]
        raise ModelError(f"kinds are several of {', '.join(KINDS)}, got {came!r}")
    places = find_graph_places(Graph(load_model(model)))
    return Gates(place.gate for place in places if place.gate.kind in kinds)


def find_graph_places(graph: Graph) -> list[GraphPlace]:
    """Return every gate of a graph, of any kind, with its products.

    Raises
    ------
    ModelError
        As for `find_gates`.
    """
    _refuse_blocked(graph)
    places = graph_places(graph)
    _refuse_quantised(places)
    _refuse_in_bodies(graph, places)
    return places


def chosen_places(places: Sequence[GraphPlace], gates: Selection | None) -> list[GraphPlace]:
    """Return the places of the chosen gates.

    Raises
    ------
    ModelError
        If the graph has no gates.
    UnknownNameError
        If no gate has a given name.
    """
    if not callable(gates):
        places = _attention(places)
    if not places:
        raise ModelError(
            "no gates were found in this graph; stripe.onnx.find_gates says what counts as one"
        )
    chosen = {gate.name for gate in chosen_gates([place.gate for place in places], gates)}
    return [place for place in places if place.gate.name in chosen]


def _attention(places: Sequence[GraphPlace]) -> list[GraphPlace]:
    return [place for place in places if place.gate.kind in DEFAULT_KINDS]


def _refuse_blocked(graph: Graph) -> None:
    """Raise if onnxruntime has put the channels of the layers into blocks."""
    found = next((node for node in graph.graph.node if node.domain == _BLOCKED), None)
    if found is not None:
        raise ModelError(
            f"the file was optimised by onnxruntime for one machine: {label(found)} is of "
            f"{_BLOCKED}; give the file from before, or optimise at most at ORT_ENABLE_EXTENDED"
        )


def _refuse_quantised(places: Sequence[GraphPlace]) -> None:
    """Raise if a quantised product multiplies by a gate."""
    found = [p.gate for p in _attention(places) if p.gate.owner_class != "Mul"]
    if found:
        raise ModelError(
            f"gates must be multiplied by Mul, and {found[0].owner_class} multiplies "
            f"{listed([gate.name for gate in found], 5)}; quantise with QuantizeLinear and "
            "DequantizeLinear (QuantFormat.QDQ)"
        )


def _refuse_in_bodies(graph: Graph, places: Sequence[GraphPlace]) -> None:
    """Raise if there are gates in the bodies of control flow."""
    flat, owners = flattened(graph.model)
    if not owners:
        return
    known = {place.gate.name for place in _attention(places)}
    inside = [p for p in _attention(graph_places(Graph(flat))) if p.gate.name not in known]
    if inside:
        tensors = (inside[0].gate.name, *(site.product for site in inside[0].sites))
        owner = next((owners[name] for name in tensors if name in owners), "control flow")
        raise ModelError(
            "gates must lie outside of If, Loop and Scan to be recorded and frozen, and "
            f"{listed([p.gate.name for p in inside], 5)} is in the body of {owner}; export the "
            "model by tracing, without control flow"
        )
