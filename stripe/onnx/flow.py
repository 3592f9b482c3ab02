"""Which tensors of a graph depend on the image, and which lie between bounds."""

from typing import NamedTuple

from onnx import NodeProto

from stripe.gates.tracing.bounded import UNBOUNDED, Bounds, bounds
from stripe.onnx.graph import Graph, attribute, fused_activation, values_of

#: The name of an operation in `stripe.gates.tracing.bounded`.
_NAMES = {
    **dict.fromkeys(("Sigmoid", "HardSigmoid", "Softmax", "Hardmax", "Softsign"), "sigmoid"),
    **dict.fromkeys(("Greater", "Less", "Equal", "GreaterOrEqual", "LessOrEqual"), "sigmoid"),
    **dict.fromkeys(("Not", "And", "Or", "Xor", "Tanh", "Erf", "Sign"), "sigmoid"),
    **dict.fromkeys(("Reshape", "Unsqueeze", "Squeeze", "Flatten", "Identity", "Cast"), "view"),
    **dict.fromkeys(("Expand", "Transpose", "Tile", "Slice", "Split", "Concat", "Gather"), "view"),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear", "CastLike", "Dropout"), "view"),
    **dict.fromkeys(("Round", "Floor", "Ceil", "Where", "Pad", "MaxPool", "AveragePool"), "round"),
    **dict.fromkeys(("ReduceMean", "ReduceMax", "ReduceMin", "GlobalAveragePool"), "mean"),
    **{op: op.lower() for op in ("Relu", "Add", "Mul", "Div", "Sub", "Neg", "Pow", "Sqrt")},
    **{"QLinearSigmoid": "sigmoid", "QLinearSoftmax": "sigmoid"},
    **{"Clip": "clamp", "Min": "minimum", "Max": "maximum", "GlobalMaxPool": "mean"},
    **{"Resize": "upsample_nearest2d", "Upsample": "upsample_nearest2d"},
}


class GraphFlow(NamedTuple):
    """Tensors that depend on the image, with their bounds."""

    bounds: dict[str, Bounds]

    def depends(self, tensor: str) -> bool:
        """Tell whether a tensor depends on the image."""
        return tensor in self.bounds

    def is_bounded(self, tensor: str) -> bool:
        """Tell whether a tensor depends on the image and lies between two bounds."""
        found = self.bounds.get(tensor, UNBOUNDED)
        return found.below and found.above


def flow(graph: Graph, image: str) -> GraphFlow:
    """Follow the image through a graph.

    Parameters
    ----------
    graph
        A graph.
    image
        The input that is an image.
    """
    known = {image: UNBOUNDED}
    for node in graph.in_order():
        inputs = values_of(node)
        depending = [known[name] for name in inputs if name in known]
        if depending:
            made = _bounds(node, depending, len(inputs) - len(depending))
            known.update((name, made) for name in node.output if name)
    return GraphFlow(known)


def _bounds(node: NodeProto, depending: list[Bounds], others: int) -> Bounds:
    if (activation := fused_activation(node)) is not None:  # its parameters are constants
        return bounds(_NAMES.get(activation, activation), [True, True], [UNBOUNDED], 1)
    limits: list[bool | None] = []
    if node.op_type == "Clip":
        named = [*node.input[1:], "", ""][:2]
        by_attribute = [attribute(node, name) is not None for name in ("min", "max")]
        limits = [
            True if given or name else None for given, name in zip(by_attribute, named, strict=True)
        ]
        depending = depending[:1]
    return bounds(_NAMES.get(node.op_type, node.op_type), limits, depending, others)
