"""Put constants into the graph of a module that `torch.fx` or `torch.export` made."""

import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, fx, nn

from stripe.gates.tracing.product_calls import is_product
from stripe.modules.feed import feed

_METHODS = {"mul", "mul_", "multiply", "multiply_", "__mul__", "__imul__", "__rmul__"}
_OPERANDS = ("input", "other")


def product_nodes(model: nn.Module, part: fx.GraphModule, example: Tensor) -> list[fx.Node]:
    """Return the nodes of a graph that multiply tensors, in the order in which they run.

    Parameters
    ----------
    model
        The network; it runs once.
    part
        The graph: a module of the network, or the network itself.
    example
        Inputs of the network.
    """
    watching = _Watching(part)
    with watching.instead_of_forward():
        feed(model, example)
    return watching.products


def multiply_node_by(part: fx.GraphModule, node: fx.Node, position: int, value: Tensor) -> None:
    """Let a node multiply by a new buffer; nodes that only computed the old operand are removed."""
    name = f"frozen_{node.name}"
    part.register_buffer(name, value)
    with part.graph.inserting_before(node):
        constant = part.graph.get_attr(name)
    before = _operand(node, position)
    if len(node.args) > position:
        node.update_arg(position, constant)
    else:
        node.update_kwarg(_OPERANDS[position], constant)
    _prune(part, [before])


def bypass(part: fx.GraphModule, node: fx.Node, position: int, neutral: int) -> bool:
    """Take a product, or with `neutral` 0 its sum with x, out of a graph; False if it must stay."""
    features = _operand(node, 1 - position)
    end = node if neutral else next(iter(node.users))
    if not neutral and (len(node.users) != 1 or features not in end.all_input_nodes):
        return False
    end.replace_all_uses_with(features)
    before = end.all_input_nodes
    part.graph.erase_node(end)  # it is known what it did, so it may have written
    _prune(part, before)
    return True


def _operand(node: fx.Node, position: int) -> Any:
    return node.args[position] if len(node.args) > position else node.kwargs[_OPERANDS[position]]


def _multiplies(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in _METHODS
    known = node.target in (operator.mul, operator.imul) or is_product(node.target)
    return node.op == "call_function" and known


def _prune(part: fx.GraphModule, waiting: Sequence[Any]) -> None:
    """Erase nodes that nothing reads any more, and the modules and weights that only they read."""
    stack, gone = list(waiting), []
    while stack:
        node = stack.pop()
        if not isinstance(node, fx.Node) or node.users or node.op in ("placeholder", "output"):
            continue
        if node._erased or (_writes(node) and len(node.all_input_nodes[0].users) > 1):
            continue
        stack += node.all_input_nodes
        part.graph.erase_node(node)
        gone.append(node)
    left = {str(node.target) for node in part.graph.nodes if node.op in ("get_attr", "call_module")}
    for node in gone:
        if node.op in ("get_attr", "call_module") and node.target not in left:
            _forget(part, str(node.target))
    part.recompile()


def _forget(part: fx.GraphModule, target: str) -> None:
    owner, _, name = target.rpartition(".")
    holder = part.get_submodule(owner)
    if hasattr(holder, name):
        delattr(holder, name)


def _writes(node: fx.Node) -> bool:
    """Tell whether a node may change its inputs."""
    if node.op == "call_module":
        assert node.graph.owning_module is not None
        module = node.graph.owning_module.get_submodule(str(node.target))
        return any(getattr(inner, "inplace", False) for inner in module.modules())
    schema = getattr(node.target, "_schema", None)
    named = str(getattr(node.target, "__name__", node.target))
    in_place = (named.endswith("_") and not named.endswith("__")) or named.startswith("i")
    return bool(node.kwargs.get("inplace") or (schema.is_mutable if schema else in_place))


class _Watching(fx.Interpreter):
    """Run a graph and note which nodes multiply tensors."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self._kind: Any = type(module)
        self.products: list[fx.Node] = []

    def run_node(self, n: fx.Node) -> Any:
        """Run one node, as any interpreter does."""
        result = super().run_node(n)
        if _multiplies(n) and isinstance(result, Tensor):
            self.products.append(n)
        return result

    @contextmanager
    def instead_of_forward(self) -> Iterator[None]:
        """Interpret the graph wherever the module is called."""
        forward = self._kind.forward
        self._kind.forward = lambda _, *args: self.run(*args)
        try:
            yield
        finally:
            self._kind.forward = forward
