"""The data of a trace: its tensors, its steps, and the calls of its modules."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from stripe.gates.tracing.bounded import UNBOUNDED, Bounds

#: Operations whose output has the values of the input, in the same order.
ALIASES = {
    *("view", "_unsafe_view", "reshape", "expand", "unsqueeze", "squeeze", "clone", "contiguous"),
    *("_to_copy", "detach", "alias", "lift_fresh", "_reshape_alias", "dropout", "native_dropout"),
}


#: Operations that only change the order of the dimensions.
PERMUTATIONS = {"permute", "transpose", "t"}


@dataclass(frozen=True, slots=True)
class Node:
    """A tensor: its shape, what it depends on, and the step that made it.

    `compact` is the shape with 1 wherever a dimension only repeats (a stride of 0). `bounds` tells
    whether it was squashed, as a gate is, and only moved and shifted since. `ordered` tells whether
    what it holds was put in an order, or chosen, by the values of the images.
    """

    shape: tuple[int, ...]
    compact: tuple[int, ...]
    dtype: torch.dtype
    depends: bool = False
    bounds: Bounds = UNBOUNDED
    step: int | None = None
    ordered: bool = False

    @property
    def bounded(self) -> bool:
        """Whether it has bounds on both sides."""
        return all(self.bounds)


@dataclass(frozen=True, slots=True)
class Step:
    """An operation: the nodes that it read and made, and the module call that it ran in."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scalars: tuple[Any, ...]
    call: int


def order_of(step: Step, dims: int) -> list[int] | None:
    """Return the input dimension of each dimension of the result, None for other views."""
    order = list(range(dims))
    if step.op == "permute":
        return [int(dim) % dims for dim in step.scalars]
    if step.op == "t":
        return order[::-1]
    if step.op != "transpose":
        return None
    first, second = (int(dim) % dims for dim in step.scalars[:2])
    order[first], order[second] = second, first
    return order


@dataclass(slots=True)
class Call:
    """A module's forward pass: between which steps it ran, what it took and what it gave."""

    module: str
    kind: type[nn.Module]
    inputs: tuple[int, ...]
    first: int
    #: Whether the first argument is a tensor.
    positional: bool = False
    outputs: tuple[int, ...] = ()
    last: int = -1
    #: How many calls ended before this one.
    ended: int = -1
    one_tensor: bool = False


@dataclass
class Trace:
    """A forward pass as lists of nodes, steps and calls, in the order in which they came."""

    nodes: list[Node] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    outputs: tuple[int, ...] = ()
    input_shape: tuple[int, ...] = ()
    #: Whether the model ran without values, so that shapes alone say which step follows which.
    static: bool = False
    #: Names of the parameters and buffers among the nodes.
    names: dict[int, str] = field(default_factory=dict)
    #: The steps of multiplications in Python code, in order.
    products: list[int] = field(default_factory=list)

    def root(self, node: int) -> int:
        """Return the first node that holds the same values in the same order."""
        while (made := self.nodes[node].step) is not None:
            if not self.keeps_values(made):
                break
            node = self.steps[made].inputs[0]
        return node

    def keeps_values(self, number: int) -> bool:
        """Tell whether the output of a step has the values of its input, in the same order."""
        step = self.steps[number]
        return step.op in ALIASES or self._only_moves_ones(step)

    def _only_moves_ones(self, step: Step) -> bool:
        """Tell whether a permutation leaves the order of all dimensions but those of size 1."""
        if step.op not in PERMUTATIONS:
            return False
        sizes = self.nodes[step.inputs[0]].compact
        moved = [dim for dim in order_of(step, len(sizes)) or () if sizes[dim] > 1]
        return moved == sorted(moved)

    def module_of(self, step: int) -> str:
        """Return the name of the innermost module that a step ran in."""
        return self.calls[self.steps[step].call].module

    def maker(self, root: int, before: int) -> str | None:
        """Return the outermost module that returned `root` before a step and is called once."""
        found = [
            call
            for call in self.calls
            if call.one_tensor
            and 0 <= call.last <= before
            and self.root(call.outputs[0]) == root
            and self.times(call.module) == 1
        ]
        return max(found, key=lambda call: call.ended).module if found else None

    def output_of(self, module: str) -> int:
        """Return the first tensor in a module's output."""
        return next(call.outputs[0] for call in self.calls if call.module == module)

    def first_argument(self, call: Call) -> int | None:
        """Return the root of a module's first argument, None if it is not a tensor."""
        return self.root(call.inputs[0]) if call.inputs and call.positional else None

    def times(self, module: str) -> int:
        """Return how often a module was called."""
        return sum(call.module == module for call in self.calls)
