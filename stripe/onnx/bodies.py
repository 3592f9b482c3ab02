"""Open the control flow of a graph: put the bodies of If, Loop and Scan among its nodes."""

from collections.abc import Iterator, Mapping, Sequence

from onnx import GraphProto, ModelProto, NodeProto, helper

from stripe.onnx.copied import copy_message
from stripe.onnx.graph import label, new_name


def flattened(model: ModelProto) -> tuple[ModelProto, dict[str, str]]:
    """Return a model with opened bodies, and for each of their tensors the owner of its body.

    The nodes of each body replace the node of the control flow. The output of an If is that of its
    first branch. In the result, tensors can be followed, but it cannot be run.

    Parameters
    ----------
    model
        A model, which is not changed.

    Returns
    -------
    model
        The new model, or the model itself if it has no control flow.
    owners
        Mapping from the tensors of bodies to labels of nodes, such as "If 12".
    """
    if not any(_bodies(node) for node in model.graph.node):
        return model, {}
    flat = copy_message(model)
    del flat.graph.node[:]
    taken = {v.name for v in (*flat.graph.initializer, *flat.graph.input, *flat.graph.value_info)}
    opened = _Opened(flat.graph, taken | {n for node in model.graph.node for n in node.output})
    flat.graph.node.extend([n for node in model.graph.node for n in opened.nodes(node, {})])
    return flat, opened.owners


class _Opened:
    """Put the nodes of bodies into a graph, under new names."""

    def __init__(self, graph: GraphProto, taken: set[str]) -> None:
        self.owners: dict[str, str] = {}
        self._graph = graph
        self._taken = taken

    def nodes(self, node: NodeProto, renamed: Mapping[str, str]) -> Iterator[NodeProto]:
        """Yield a node, or those of its bodies."""
        copy = copy_message(node)
        del copy.input[:]
        copy.input.extend(renamed.get(name, name) for name in node.input)
        del copy.output[:]
        copy.output.extend(renamed.get(name, name) for name in node.output)
        bodies = _bodies(node)
        if not bodies:
            yield copy
            return
        for number, body in enumerate(bodies):
            inner = self._renamed(body, label(node), renamed)
            yield from _identities(copy.input, [inner[v.name] for v in body.input])
            for each in body.node:
                yield from self.nodes(each, inner)
            if number == 0:
                made = [inner.get(v.name, v.name) for v in body.output]
                yield from _identities(made[node.op_type == "Loop" :], copy.output)

    def _renamed(self, body: GraphProto, owner: str, outer: Mapping[str, str]) -> dict[str, str]:
        """Return new names for the tensors of a body, and add its weights to the graph."""
        names = dict(outer)
        made = (name for node in body.node for name in node.output if name)
        for name in (*made, *(v.name for v in (*body.input, *body.initializer))):
            names[name] = new_name(name, self._taken)
            self.owners[names[name]] = owner
        for tensor in body.initializer:
            self._graph.initializer.append(tensor)
            self._graph.initializer[-1].name = names[tensor.name]
        return names


def _bodies(node: NodeProto) -> list[GraphProto]:
    return [g for a in node.attribute for g in ([a.g] if a.HasField("g") else a.graphs)]


def _identities(sources: Sequence[str], targets: Sequence[str]) -> Iterator[NodeProto]:
    for source, target in zip(sources, targets, strict=False):
        if source and target:
            yield helper.make_node("Identity", [source], [target])
