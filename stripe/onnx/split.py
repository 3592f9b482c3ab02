"""Fold the constants of a graph's split attention (ResNeSt, SK) into its branches."""

import numpy as np

from stripe.onnx.fold import fold_before
from stripe.onnx.graph import Graph, attribute, label
from stripe.onnx.scale import CannotFold, ConstantScale, Edit


def fold_branches(graph: Graph, tensor: str, vectors: np.ndarray) -> list[Edit]:
    """Return the edits that scale stacked branches.

    Parameters
    ----------
    graph, tensor
        Branches (B, R, C, H, W): a view of the channels of one layer, or a stack of several.
    vectors
        The numbers of the gate, (R, C).

    Raises
    ------
    CannotFold
        If another node reads the branches, or the layers before them cannot absorb the scale.
    """
    node = graph.producer(tensor)
    if node is None or not graph.read_once(tensor):
        raise CannotFold(f"something else reads the branches {tensor}")
    if node.op_type == "Identity":
        return fold_branches(graph, node.input[0], vectors)
    if node.op_type == "Reshape":
        before = graph.shapes.get(node.input[0])
        if before is None or len(before) != 4 or before[1] not in (vectors.size, None):
            raise CannotFold(f"{label(node)} does more than to part channels")
        return fold_before(graph, node.input[0], ConstantScale(vectors.ravel(), 1, 4))
    if node.op_type == "Concat" and attribute(node, "axis") % 5 == 1:
        if len(node.input) != len(vectors):
            raise CannotFold(f"{label(node)} does not stack {len(vectors)} branches")
        pairs = zip(node.input, vectors, strict=True)
        return [one for name, vector in pairs for one in _branch(graph, name, vector)]
    raise CannotFold(f"{label(node)} is no stack of branches")


def _branch(graph: Graph, tensor: str, vector: np.ndarray) -> list[Edit]:
    """Fold into the layers of one branch of a stack."""
    node = graph.producer(tensor)
    if node is None or node.op_type not in ("Unsqueeze", "Reshape") or not graph.read_once(tensor):
        raise CannotFold(f"{tensor} is no branch of a stack")
    return fold_before(graph, node.input[0], ConstantScale(vector, 1, 4))
