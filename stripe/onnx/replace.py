"""Put constants in the place of a graph's gates, and fold them by `fold.py`."""

import numpy as np
from onnx import NodeProto, TensorProto, helper

from stripe.onnx.copied import copy_message
from stripe.onnx.fold import fold_after, fold_before
from stripe.onnx.graph import Graph, attribute, label
from stripe.onnx.places import Site
from stripe.onnx.scale import CannotFold, ConstantScale, Edit
from stripe.onnx.split import fold_branches


def constant_of(graph: Graph, site: Site, vector: np.ndarray) -> np.ndarray:
    """Return the constant that replaces the gate of a product, in the format of the features."""
    known = (graph.dtypes.get(name, 0) for name in (site.features, site.product, site.operand))
    dtype = helper.tensor_dtype_to_np_dtype(next(filter(None, known), TensorProto.FLOAT))
    return vector.astype(dtype).reshape(site.shape)


def put_constant(graph: Graph, site: Site, vector: np.ndarray) -> str | None:
    """Let a product multiply by a constant. Return the node that quantises it, or None.

    A gate from DequantizeLinear is replaced by a quantised constant, so that quantised kernels can
    still compute the product.
    """
    node = graph.producer(site.product)
    assert node is not None
    value = constant_of(graph, site, vector)
    made = graph.producer(site.operand)
    if made is not None and made.op_type == "DequantizeLinear":
        quantised = _quantised(graph, made, vector)
        if quantised is not None:
            stored = graph.add_constant(f"{site.operand}_constant", quantised.reshape(value.shape))
            restored = graph.new_name(f"{site.operand}_frozen")
            again = copy_message(made)
            again.name = restored
            again.input[0], again.output[0] = stored, restored
            graph.graph.node.insert(list(graph.graph.node).index(node), again)
            node.input[site.index] = restored
            return label(made)
    node.input[site.index] = graph.add_constant(f"{site.operand}_constant", value)
    return None


def fold_site(graph: Graph, site: Site, vector: np.ndarray) -> tuple[str, str, list[str]]:
    """Fold the constant of a product into the graph, if possible.

    Returns
    -------
    into
        Names of the nodes that absorbed the constant.
    reason
        Why the constant remains; empty if it was folded.
    probes
        Tensors of both graphs on which the fold can be checked.
    """
    product = graph.producer(site.product)
    assert product is not None
    product, vector = _with_residual(graph, product, site, vector)
    features, out = product.input[1 - site.index], product.output[0]
    try:
        edits, before = _edits(graph, site, features, out, vector)
    except CannotFold as error:
        return "", str(error), []
    probes = [out] if before else [one.node.output[0] for one in edits]
    _apply(graph, edits)
    if before:
        graph.remove(product)
        graph.rename_output(features, out)
        graph.rename_inputs(features, out)
        if features in graph.shapes:
            graph.shapes[out] = graph.shapes[features]
    else:
        graph.rename_inputs(out, features)
        graph.remove(product)
    graph.refresh()
    return ", ".join(dict.fromkeys(e.node.name or e.node.output[0] for e in edits)), "", probes


def _edits(
    graph: Graph, site: Site, features: str, out: str, vector: np.ndarray
) -> tuple[list[Edit], bool]:
    """Return the edits that fold a product, and whether they change layers before it."""
    if site.layout == "NRC11":
        return fold_branches(graph, features, vector.reshape(site.groups, -1)), True
    scale = ConstantScale(vector, site.layout.index("C"), len(site.layout))
    try:
        return fold_before(graph, features, scale), True
    except CannotFold as error:
        try:
            return _once(fold_after(graph, out, scale)), False
        except CannotFold as later:
            raise CannotFold(f"before: {error}; after: {later}") from later


def _once(edits: list[Edit]) -> list[Edit]:
    """Return edits. Raise an error if a node would be scaled twice."""
    if len({(id(one.node), one.index) for one in edits}) < len(edits):
        raise CannotFold(f"{label(edits[-1].node)} reads the features in two ways")
    return edits


def _with_residual(
    graph: Graph, product: NodeProto, site: Site, vector: np.ndarray
) -> tuple[NodeProto, np.ndarray]:
    """Turn x + x v into x (1 + v), if a product is part of such a sum."""
    out, features = product.output[0], graph.origin(product.input[1 - site.index])
    aliases = [out]
    while graph.read_once(aliases[-1]) and graph.readers(aliases[-1])[0].op_type == "Identity":
        aliases.append(graph.readers(aliases[-1])[0].output[0])
    readers = graph.readers(aliases[-1])
    total = readers[0] if graph.read_once(aliases[-1]) else None
    if total is None or total.op_type != "Add":
        return product, vector
    other = next(name for name in total.input if name != aliases[-1])
    if graph.origin(other) != features:
        return product, vector
    old = graph.constant(product.input[site.index])
    assert old is not None
    whole = (1 + vector).astype(old.dtype).reshape(old.shape)
    product.input[site.index] = graph.add_constant(f"{site.operand}_residual", whole)
    product.input[1 - site.index] = features
    graph.remove(total)
    product.output[0] = total.output[0]
    graph.refresh()
    # The nodes between the product and the sum have no readers any more.
    graph.remove_dead()
    found = graph.producer(total.output[0])
    assert found is not None
    return found, 1 + vector


def _apply(graph: Graph, edits: list[Edit]) -> None:
    for one in edits:
        old = one.node.input[one.index]
        one.node.input[one.index] = graph.add_constant(f"{old}_folded", one.value)
        if one.op_type is not None:
            one.node.op_type = one.op_type


def _quantised(graph: Graph, node: NodeProto, vector: np.ndarray) -> np.ndarray | None:
    """Return quantised numbers for DequantizeLinear; None if its scale is not one constant."""
    step = graph.constant(node.input[1])
    zero = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else np.uint8(0)
    if step is None or zero is None or np.size(step) != 1 or attribute(node, "block_size", 0):
        return None
    limits = np.iinfo(np.asarray(zero).dtype)
    rounded = np.rint(vector / float(np.ravel(step)[0])) + float(np.ravel(zero)[0])
    return np.clip(rounded, limits.min, limits.max).astype(np.asarray(zero).dtype)
