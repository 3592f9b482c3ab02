"""Which operations read which tensors in a forward pass with constant gates."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from stripe.gates.find import Place
from stripe.gates.tracing.steps import Call, Trace

#: Operations that choose by value, so that rounding can change their choice.
_CHOICES = {
    *("nms", "topk", "sort", "argsort", "argmax", "argmin", "nonzero", "multinomial", "unique"),
    *("_unique2", "unique_dim", "unique_consecutive", "masked_select", "searchsorted", "bucketize"),
}

#: Operations whose result is a number of Python.
_TO_PYTHON = {"_local_scalar_dense", "item", "equal", "is_nonzero"}


@dataclass(frozen=True)
class Product:
    """What a gate makes of x: x v, or x + x v.

    Parameters
    ----------
    node
        The result.
    steps
        The steps that compute it from x and v.
    slope, offset
        The result is (`offset` + `slope` v) x.
    """

    node: int
    steps: frozenset[int]
    slope: int = 1
    offset: int = 0

    @property
    def neutral(self) -> int:
        """The gate that leaves x as it is."""
        return self.slope * (1 - self.offset)


@dataclass(frozen=True)
class Flow:
    """Which steps read which nodes in a forward pass whose gates at `frozen` are constants.

    Parameters
    ----------
    trace
        The forward pass.
    frozen
        The gates.
    """

    trace: Trace
    frozen: Sequence[Place]

    def product(self, place: Place) -> Product:
        """Return the product of x and the gate, or its sum with x if the gate is residual."""
        trace = self.trace
        product, origin = trace.root(place.product), trace.root(place.features)
        plain = Product(place.product, frozenset([place.step]))
        users = self.users.get(product, set())
        if len(users) != 1 or product in self.outputs:
            return plain
        (number,) = users
        step = trace.steps[number]
        roots = tuple(trace.root(node) for node in step.inputs)
        shapes = {trace.nodes[node].shape for node in (*step.inputs, *step.outputs)}
        scaled = any(scalar not in (1, None) for scalar in step.scalars)
        signs: dict[tuple[str, tuple[int, ...]], int] = {
            ("add", (origin, product)): 1,
            ("add", (product, origin)): 1,
        }
        signs["sub", (origin, product)] = -1
        sign = signs.get((step.op, roots))
        if sign is None or scaled or len(shapes) != 1:
            return plain
        return Product(step.outputs[0], frozenset([place.step, number]), sign, 1)

    def does_nothing_else(self, place: Place) -> bool:
        """Tell whether the gate's owner takes x, gives the product, and computes nothing else."""
        calls = [call for call in self.trace.calls if call.module == place.gate.owner]
        if len(calls) > 1 or not place.first_argument or not calls[0].one_tensor:
            return False
        if not self.multiplies_once(place):
            return False
        call, product = calls[0], self.product(place)
        others = [
            number
            for number in range(call.first, call.last)
            if number in self.live and number not in product.steps
        ]
        aliases = all(map(self.trace.keeps_values, others))
        ends = self.trace.root(call.outputs[0]) == self.trace.root(product.node)
        shapes = {self.trace.nodes[node].shape for node in (place.features, call.inputs[0])}
        return aliases and ends and shapes == {self._shape(call)}

    def multiplies_once(self, place: Place) -> bool:
        """Tell whether the gate is read by its multiplication alone."""
        root = self.trace.root(place.operand)
        return self.readers_of_gate(place) == {place.step} and root not in self.outputs

    def readers_of_gate(self, place: Place) -> set[int]:
        """Return the steps that use the values of a gate."""
        root = self.trace.root(place.operand)
        return {
            number
            for number, step in enumerate(self.trace.steps)
            if not self.trace.keeps_values(number) and root in map(self.trace.root, step.inputs)
        }

    @cached_property
    def outputs(self) -> frozenset[int]:
        """The roots of the model's outputs, and of numbers that it passes to Python."""
        return frozenset(map(self.trace.root, self._ends))

    @cached_property
    def chooses(self) -> bool:
        """Whether the output depends on choices among values, as in a detector."""
        return any(self.trace.steps[number].op in _CHOICES for number in self.live)

    def chooses_in(self, module: str) -> bool:
        """Tell whether a module chooses among values."""
        spans = [(c.first, c.last) for c in self.trace.calls if c.module == module]
        return any(
            self.trace.steps[number].op in _CHOICES
            for first, last in spans
            for number in range(first, last)
        )

    @cached_property
    def live(self) -> frozenset[int]:
        """The steps that the output depends on."""
        if not self.trace.outputs:
            return frozenset(range(len(self.trace.steps)))
        waiting, live = list(self._ends), set()
        while waiting:
            made = self.trace.nodes[waiting.pop()].step
            if made is not None and made not in live:
                live.add(made)
                waiting += self._read_by(made)
        return frozenset(live)

    @cached_property
    def gated(self) -> dict[int, int]:
        """The features of each multiplication by a frozen gate, by step."""
        return {place.step: place.features for place in self.frozen}

    @cached_property
    def readers(self) -> dict[int, list[int]]:
        """The live steps that read each node."""
        readers: dict[int, list[int]] = {}
        for number in sorted(self.live):
            for node in self._read_by(number):
                if not self._reads_form_alone(number, node):
                    readers.setdefault(node, []).append(number)
        return readers

    @cached_property
    def users(self) -> dict[int, set[int]]:
        """The live steps that use the values of each root, without those that only pass them on."""
        users: dict[int, set[int]] = {}
        for node, numbers in self.readers.items():
            root = self.trace.root(node)
            using = {n for n in numbers if not self._passes_on(n, root)}
            users.setdefault(root, set()).update(using)
        return users

    @cached_property
    def _ends(self) -> list[int]:
        to_python = (step for step in self.trace.steps if step.op in _TO_PYTHON)
        return [*self.trace.outputs, *(node for step in to_python for node in step.inputs)]

    def _reads_form_alone(self, number: int, node: int) -> bool:
        """Tell whether a step takes the size of a tensor and not its values, as `empty_like`."""
        made = self.trace.steps[number].outputs
        nodes = self.trace.nodes
        return nodes[node].depends and not any(nodes[output].depends for output in made)

    def _passes_on(self, number: int, root: int) -> bool:
        step = self.trace.steps[number]
        return len(step.outputs) == 1 and self.trace.root(step.outputs[0]) == root

    def _read_by(self, number: int) -> tuple[int, ...]:
        gated = self.gated.get(number)
        return self.trace.steps[number].inputs if gated is None else (gated,)

    def _shape(self, call: Call) -> tuple[int, ...]:
        return self.trace.nodes[call.outputs[0]].shape
