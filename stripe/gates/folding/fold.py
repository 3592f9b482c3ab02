"""Find the layers that take a constant gate, also in split attention, or say why none does."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64
from torch import Tensor, nn
from torch.nn.modules.instancenorm import _InstanceNorm

from stripe.errors import ModelError
from stripe.gates.find import Place
from stripe.gates.folding.factors import (
    VIEWS,
    CannotFoldError,
    Factors,
    after_view,
    along,
    before_view,
    fitted,
    split,
)
from stripe.gates.folding.flow import Flow, Product
from stripe.gates.folding.passes import after_reduction, before_reduction, passes
from stripe.gates.folding.scaling import Scaling
from stripe.gates.folding.weights import (
    MATRIX_PRODUCTS,
    input_weights,
    is_convolution,
    makes_planes,
    makes_tokens,
    output_weights,
)
from stripe.gates.tracing.steps import Step

#: One factor per channel.
Vector = Float64[np.ndarray, " c"]

_SPLITS = ("split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes")


@dataclass(frozen=True)
class Fold:
    """How a constant gate folds.

    Parameters
    ----------
    scalings
        The layers to scale, each with its factors.
    neutral
        Constant that stays in the gate's place: 1 for x v, 0 for x + x v.
    beside
        Names of the modules whose outputs, next to the gate, must not change.
    """

    scalings: tuple[Scaling, ...]
    neutral: int
    beside: frozenset[str]

    @property
    def into(self) -> str:
        """The names of the scaled layers and weights."""
        return ", ".join(scaling.target for scaling in self.scalings)


@dataclass(frozen=True)
class Folder:
    """Find where constant gates fold.

    Parameters
    ----------
    flow
        Readers of each tensor, with these gates as constants.
    modules
        The layers that may be scaled, by name.
    """

    flow: Flow
    modules: Mapping[str, nn.Module]

    def fold(self, place: Place, v: Vector) -> Fold:
        """Return how the gate at `place`, a constant v, folds.

        Raises
        ------
        CannotFoldError
            With the reasons, if neither the layers before it nor those after it can take it.
        """
        if place.count is None:
            raise CannotFoldError("it multiplies together with a spatial map, or copied to places")
        if not self.flow.multiplies_once(place):
            raise CannotFoldError("it is used in several places, or put out")
        product = self.flow.product(place)
        form = self.flow.trace.nodes[place.operand].compact
        factors = product.offset + product.slope * v.reshape(1, *form[1:])
        try:
            scalings = self._before(place.features, factors, product.steps)
            return Fold(tuple(scalings), product.neutral, self._beside(product))
        except CannotFoldError as reason:
            before = reason
        try:
            scalings = self.after(product.node, factors)
        except CannotFoldError as after:
            raise CannotFoldError(f"before it, {before}; after it, {after}") from None
        beside = frozenset(scaling.runs_in for scaling in scalings)
        return Fold(tuple(scalings), product.neutral, beside)

    def _beside(self, product: Product) -> frozenset[str]:
        """Return the module that puts the product out, which may be a sum, and its readers."""
        trace = self.flow.trace
        users = self.flow.users.get(trace.root(product.node), ())
        return frozenset(map(trace.module_of, (max(product.steps), *users)))

    def _before(self, node: int, factors: Factors, readers: Iterable[int]) -> list[Scaling]:
        """Scale by `factors` what makes `node`, which only the steps `readers` may use."""
        trace = self.flow.trace
        root = trace.root(node)
        if root in self.flow.outputs:
            raise CannotFoldError("what it multiplies is put out too")
        if others := self.flow.users.get(root, set()) - set(readers):
            where = trace.module_of(min(others)) or "the model"
            raise CannotFoldError(f"{where} reads what it multiplies too")
        made = trace.nodes[node].step
        if made is None:
            raise CannotFoldError("there is no layer")
        step = trace.steps[made]
        if isinstance(self.modules.get(trace.module_of(made)), _InstanceNorm):
            return [self._module(made, "output", along(factors, 1, self._shape(node)[1]))]
        if step.op in VIEWS:
            source = step.inputs[0]
            factors = before_view(step, self._shape(source), self._shape(node), factors)
            return self._before(source, factors, readers if trace.root(source) == root else [made])
        if self._passes(step, factors):
            return self._before(
                step.inputs[0], before_reduction(step, self._shape(step.inputs[0]), factors), [made]
            )
        if (scaled := self._scaled(made)) is not None:
            return self._before(scaled, factors, [made])
        if step.op in ("add", "sub") and len(step.inputs) == 2:
            return self._terms(made, factors)
        if step.op in ("cat", "stack"):
            return self._branches(made, factors)
        return self._layer(made, factors)

    def _terms(self, made: int, factors: Factors) -> list[Scaling]:
        """Scale all that a sum adds: features, and what is the same for all images."""
        trace, step = self.flow.trace, self.flow.trace.steps[made]
        if len(set(map(trace.root, step.inputs))) != len(step.inputs):
            raise CannotFoldError("a sum of one thing")
        scalings = []
        for node in step.inputs:
            fitting = fitted(factors, self._shape(node))
            if trace.nodes[node].depends:
                scalings += self._before(node, fitting, [made])
            else:
                scalings += self._constant(node, fitting, made)
        return scalings

    def _branches(self, made: int, factors: Factors) -> list[Scaling]:
        """Scale all branches that are joined, as those of split attention (ResNeSt) are."""
        step = self.flow.trace.steps[made]
        if len(set(map(self.flow.trace.root, step.inputs))) != len(step.inputs):
            raise CannotFoldError("one branch is joined twice")
        parts = self._parts(step, factors)
        return [s for n, part in zip(step.inputs, parts, strict=True)
                for s in self._before(n, part, [made])]  # fmt: skip

    def _parts(self, step: Step, factors: Factors) -> list[Factors]:
        """Return the factors of each branch that a step joins, from those of the whole."""
        axis = int(step.scalars[0]) % factors.ndim if step.scalars else 0
        if step.op == "stack":
            parts = split(factors, [1] * len(step.inputs), axis)
            return [part.squeeze(axis) for part in parts]
        return split(factors, [self._shape(node)[axis] for node in step.inputs], axis)

    def _layer(self, made: int, factors: Factors) -> list[Scaling]:
        """Scale the output of a layer, as a module or by the weights of its operation."""
        step, module = self.flow.trace.steps[made], self.flow.trace.module_of(made)
        shape = self._shape(step.outputs[0])
        if not makes_planes(step) and not makes_tokens(step):
            raise CannotFoldError(f"{step.op} in {module or 'the model'} does not pass a scale on")
        axis = 1 if makes_planes(step) else len(shape) - 1
        v = along(factors, axis, shape[axis])
        return self._scaled_layer(made, "output", v, output_weights)

    def _constant(self, node: int, factors: Factors, reader: int) -> list[Scaling]:
        """Scale what does not depend on the images, and only the step `reader` may use."""
        trace = self.flow.trace
        if self._all_readers[node] != {reader}:
            raise CannotFoldError("a constant beside it is read in several places")
        if name := trace.names.get(node):
            if id(self._tensor(name)) in self._shared:
                raise CannotFoldError(f"{name} is held by several modules")
            return [Scaling(name, "weight", factors, trace.module_of(reader))]
        made = trace.nodes[node].step
        step = None if made is None else trace.steps[made]
        if made is None or step is None:
            raise CannotFoldError("a constant beside it is neither a parameter nor a buffer")
        if step.op in VIEWS:
            source = step.inputs[0]
            factors = before_view(step, self._shape(source), self._shape(node), factors)
            return self._constant(source, factors, made)
        if step.op in ("add", "sub") and len(step.inputs) == 2:
            return [s for n in step.inputs
                    for s in self._constant(n, fitted(factors, self._shape(n)), made)]  # fmt: skip
        if step.op in ("mul", "div", "neg"):
            for factor in step.inputs[: 1 if step.op == "div" else None]:
                with suppress(CannotFoldError):
                    return self._constant(factor, fitted(factors, self._shape(factor)), made)
        raise CannotFoldError(f"{step.op} computes a constant beside it")

    def after(self, node: int, factors: Factors) -> list[Scaling]:
        """Scale by `factors` everything that reads `node`."""
        if node in self.flow.trace.outputs:
            raise CannotFoldError("the product is put out")
        scalings = []
        for number in self.flow.readers.get(node, []):
            scalings += self._reader(number, node, factors)
        if not scalings:
            raise CannotFoldError("no layer reads the product")
        return scalings

    def _reader(self, number: int, node: int, factors: Factors) -> list[Scaling]:
        step, module = self.flow.trace.steps[number], self.flow.trace.module_of(number)
        made = step.outputs[0]
        if step.op in VIEWS:
            factors = after_view(step, self._shape(node), self._shape(made), factors)
            return self.after(made, factors)
        if self._passes(step, factors, of=node):
            return self.after(made, after_reduction(step, self._shape(made), factors))
        if self._scaled(number) == node:
            return self.after(made, factors)
        if step.op in _SPLITS:
            return self._split(step, factors)
        position = 0 if is_convolution(step) else MATRIX_PRODUCTS.get(step.op)
        if position is None or step.inputs[position] != node:
            raise CannotFoldError(f"{step.op} in {module or 'the model'} reads the product")
        axis = 1 if is_convolution(step) else len(self._shape(node)) - 1
        v = along(factors, axis, self._shape(node)[axis])
        return self._scaled_layer(number, "input", v, input_weights)

    def _split(self, step: Step, factors: Factors) -> list[Scaling]:
        """Scale everything that reads a part."""
        taken, made = self._shape(step.inputs[0]), self._shape(step.outputs[0])
        axis = next((d for d, sizes in enumerate(zip(taken, made, strict=True))
                     if sizes[0] != sizes[1]), 0)  # fmt: skip
        parts = split(factors, [self._shape(output)[axis] for output in step.outputs], axis)
        return [s for output, part in zip(step.outputs, parts, strict=True)
                if output in self.flow.readers for s in self.after(output, part)]  # fmt: skip

    def _passes(self, step: Step, factors: Factors, of: int | None = None) -> bool:
        """Tell whether a scale passes a step, before it or, `of` a node, after that."""
        if not step.inputs or (of is not None and step.inputs[0] != of):
            return False
        return passes(step, self._shape(step.inputs[0]), self._shape(step.outputs[0]), factors)

    def _scaled(self, number: int) -> int | None:
        """Return the node that a step multiplies by a constant or a frozen gate, or None."""
        nodes, step = self.flow.trace.nodes, self.flow.trace.steps[number]
        if number in self.flow.gated:
            return self.flow.gated[number]
        if step.op not in ("mul", "div"):
            return None
        depending = [node for node in step.inputs if nodes[node].depends]
        if len(depending) != 1 or self._shape(depending[0]) != self._shape(step.outputs[0]):
            return None
        return depending[0] if step.op == "mul" or depending[0] == step.inputs[0] else None

    def _module(self, number: int, side: str, v: Vector) -> Scaling:
        """Return a scaling of the module that a step ran in, tried on a copy of it."""
        name = self.flow.trace.module_of(number)
        layer = self.modules[name]
        if (times := self.flow.trace.times(name)) != 1:
            raise CannotFoldError(f"{name} is called {times} times")
        if any(id(parameter) in self._shared for parameter in layer.parameters()):
            raise CannotFoldError(f"{name} shares its weight with another layer")
        if others := self._weight_readers.get(name, set()) - {name}:
            raise CannotFoldError(f"{min(others) or 'the model'} reads {name}'s weight")
        scaling = Scaling(name, side, v, name)
        try:
            scaling.try_on(self.modules)
        except (ModelError, RuntimeError) as error:
            raise CannotFoldError(f"{name} cannot be scaled: {error}") from None
        return scaling

    def _scaled_layer(
        self, number: int, side: str, v: Vector, weights: Callable[..., dict[int, Factors]]
    ) -> list[Scaling]:
        """Scale one side of a layer as a module, or else by the weights of its operation."""
        try:
            return [self._module(number, side, v)]
        except CannotFoldError as reason:
            try:
                step = self.flow.trace.steps[number]
                return self._weights(number, weights(step, self._shape, v))
            except CannotFoldError:
                raise reason from None

    def _weights(self, number: int, factors: Mapping[int, Factors]) -> list[Scaling]:
        """Scale the weights that an operation reads."""
        return [s for node, of_node in factors.items()
                for s in self._constant(node, of_node, number)]  # fmt: skip

    @cached_property
    def _weight_readers(self) -> dict[str, set[str]]:
        """By the name of a module, the modules in whose forward pass its own weights are read."""
        readers: dict[str, set[str]] = {}
        for number in self.flow.live:
            for node in self.flow.trace.steps[number].inputs:
                if name := self.flow.trace.names.get(node):
                    owner = name.rpartition(".")[0]
                    readers.setdefault(owner, set()).add(self.flow.trace.module_of(number))
        return readers

    @cached_property
    def _all_readers(self) -> dict[int, set[int]]:
        """The live steps that read each node, and -1 for outputs."""
        readers: dict[int, set[int]] = {node: {-1} for node in self.flow.trace.outputs}
        for node, numbers in self.flow.readers.items():
            readers.setdefault(node, set()).update(numbers)
        return readers

    @cached_property
    def _shared(self) -> set[int]:
        """The parameters and buffers that several modules hold."""
        held = Counter(
            id(tensor)
            for module in set(self.modules.values())
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False))
        )
        return {key for key, count in held.items() if count > 1}

    def _tensor(self, name: str) -> Tensor:
        owner, _, leaf = name.rpartition(".")
        tensor: Tensor = getattr(self.modules[owner], leaf)
        return tensor

    def _shape(self, node: int) -> tuple[int, ...]:
        return self.flow.trace.nodes[node].shape
