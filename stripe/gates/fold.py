"""Where a constant gate can go: into the layers before it, or into those after it."""

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from torch import nn

from stripe.asr.folding import scale_input, scale_linear_map
from stripe.errors import ModelError
from stripe.gates.axis import CannotFoldError, axis_after, axis_before
from stripe.gates.find import Place
from stripe.gates.trace import ALIASES, Step, Trace

#: One factor per channel.
Vector = Float64[np.ndarray, " c"]

#: f(v x) = v f(x) for any v that is constant over a plane.
_LINEAR = {
    *("avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "adaptive_avg_pool2d", "mean", "sum"),
    *("upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d", "reflection_pad2d"),
    *("_adaptive_avg_pool3d", "replication_pad2d", "neg", "_upsample_nearest_exact2d"),
}
#: f(v x) = v f(x) for v >= 0.
_POSITIVE = {
    *("relu", "leaky_relu", "prelu", "max_pool2d_with_indices", "max_pool3d_with_indices"),
    *("adaptive_max_pool2d", "adaptive_max_pool3d"),
}

_MATRIX_PRODUCTS = {"addmm": 1, "mm": 0, "linear": 0}


class Scaling(NamedTuple):
    """Multiply what a layer puts out, or takes in, by one factor per channel."""

    module: str
    side: str
    factors: Vector


@dataclass(frozen=True)
class Flow:
    """What reads what in a forward pass whose gates at `frozen` are constants.

    Parameters
    ----------
    trace
        The forward pass.
    frozen
        The gates.
    modules
        The layers that may be scaled, by name.
    """

    trace: Trace
    frozen: Sequence[Place]
    modules: Mapping[str, nn.Module]

    def scalings(self, place: Place, v: Vector) -> list[Scaling]:
        """Return which layers to scale so that the gate at `place`, a constant v, can go.

        Raises
        ------
        CannotFoldError
            With the reasons, if neither the layers before it nor those after it can take it.
        """
        if place.gate.kind == "split":
            raise CannotFoldError("a split weighs branches that are summed")
        if place.count is None:
            raise CannotFoldError("it multiplies together with a spatial map")
        if place.gate.groups > 1:
            raise CannotFoldError("its channels are in groups")
        if not self.multiplies_once(place):
            raise CannotFoldError("it is used in several places, or put out")
        axis = place.shape.layout.index("C")
        try:
            return self._before(place.features, axis, v, place.step)
        except CannotFoldError as reason:
            before = reason
        try:
            return self._after(place.product, axis, v)
        except CannotFoldError as after:
            raise CannotFoldError(f"before it, {before}; after it, {after}") from None

    def does_nothing_else(self, place: Place) -> bool:
        """Tell whether the gate's owner takes x, gives x v, and computes nothing else."""
        calls = [call for call in self.trace.calls if call.module == place.gate.owner]
        if len(calls) > 1 or not place.first_argument or not calls[0].one_tensor:
            return False
        if not self.multiplies_once(place):
            return False
        call = calls[0]
        others = [
            number
            for number in range(call.first, call.last)
            if number in self.live and number != place.step
        ]
        aliases = all(self.trace.steps[number].op in ALIASES for number in others)
        return aliases and self.trace.root(call.outputs[0]) == place.product

    def multiplies_once(self, place: Place) -> bool:
        """Tell whether the gate is read by its multiplication alone."""
        root = self.trace.root(place.operand)
        readers = {
            number
            for number, step in enumerate(self.trace.steps)
            if step.op not in ALIASES and root in map(self.trace.root, step.inputs)
        }
        return readers == {place.step} and root not in map(self.trace.root, self.trace.outputs)

    @cached_property
    def live(self) -> frozenset[int]:
        """The steps that the output depends on."""
        if not self.trace.outputs:
            return frozenset(range(len(self.trace.steps)))
        waiting, live = list(self.trace.outputs), set()
        while waiting:
            made = self.trace.nodes[waiting.pop()].step
            if made is not None and made not in live:
                live.add(made)
                waiting += self._read_by(made)
        return frozenset(live)

    @cached_property
    def _gated(self) -> dict[int, int]:
        """The features of each multiplication by a frozen gate, by step."""
        return {place.step: place.features for place in self.frozen}

    def _read_by(self, number: int) -> tuple[int, ...]:
        gated = self._gated.get(number)
        return self.trace.steps[number].inputs if gated is None else (gated,)

    @cached_property
    def _readers(self) -> dict[int, list[int]]:
        """The live steps that read each node."""
        readers: dict[int, list[int]] = {}
        for number in sorted(self.live):
            for node in self._read_by(number):
                readers.setdefault(node, []).append(number)
        return readers

    @cached_property
    def _users(self) -> dict[int, set[int]]:
        """The live steps that use the values of each root, past all that only pass them on."""
        users: dict[int, set[int]] = {}
        for node, numbers in self._readers.items():
            using = {n for n in numbers if self.trace.steps[n].op not in ALIASES}
            users.setdefault(self.trace.root(node), set()).update(using)
        return users

    def _before(self, node: int, axis: int, v: Vector, reader: int) -> list[Scaling]:
        """Scale, by v along `axis`, what makes `node`, which only step `reader` may use."""
        root = self.trace.root(node)
        if root in map(self.trace.root, self.trace.outputs):
            raise CannotFoldError("what it multiplies is put out too")
        if others := self._users.get(root, set()) - {reader}:
            where = self.trace.module_of(min(others)) or "the model"
            raise CannotFoldError(f"{where} reads what it multiplies too")
        made = self.trace.nodes[node].step
        if made is None:
            raise CannotFoldError("there is no layer")
        step = self.trace.steps[made]
        if axis == 1 and isinstance(self._module(made), nn.modules.instancenorm._InstanceNorm):
            return [self._checked(Scaling(self.trace.module_of(made), "output", v))]
        if step.op in ALIASES or step.op in ("permute", "transpose"):
            source = step.inputs[0]
            axis = axis_before(step, self._shape(source), self._shape(node), axis)
            return self._before(source, axis, v, made if step.op not in ALIASES else reader)
        if self._passes(step, axis, v):
            return self._before(step.inputs[0], axis, v, made)
        if (factor := self._scaled(made)) is not None:
            return self._before(factor, axis, v, made)
        if step.op == "add" and all(self.trace.nodes[n].depends for n in step.inputs):
            shapes = {self._shape(n) for n in step.inputs}
            if len(set(step.inputs)) != 2 or len(shapes) != 1:
                raise CannotFoldError("a sum of one thing, or of different shapes")
            return [s for n in step.inputs for s in self._before(n, axis, v, made)]
        if step.op == "cat":
            ends = np.cumsum([self._shape(n)[axis] for n in step.inputs])
            if ends[-1] != len(v) or len(set(step.inputs)) != len(step.inputs):
                raise CannotFoldError("branches are joined, but not along channels, or one twice")
            parts = zip(step.inputs, np.split(v, ends[:-1]), strict=True)
            return [s for n, part in parts for s in self._before(n, axis, part, made)]
        return [self._layer(made, axis, v)]

    def _layer(self, made: int, axis: int, v: Vector) -> Scaling:
        step, module = self.trace.steps[made], self.trace.module_of(made)
        dims = len(self._shape(step.outputs[0]))
        planes = any(kind in step.op for kind in ("convolution", "batch_norm", "group_norm"))
        tokens = "layer_norm" in step.op or step.op in _MATRIX_PRODUCTS
        if not (planes and axis == 1) and not (tokens and axis == dims - 1):
            raise CannotFoldError(f"{step.op} in {module or 'the model'} does not pass a scale on")
        return self._checked(Scaling(module, "output", v))

    def _after(self, node: int, axis: int, v: Vector) -> list[Scaling]:
        """Scale, by v along `axis`, everything that reads `node`."""
        if node in self.trace.outputs:
            raise CannotFoldError("the product is put out")
        scalings = []
        for number in self._readers.get(node, []):
            scalings += self._reader(number, node, axis, v)
        if not scalings:
            raise CannotFoldError("no layer reads the product")
        return scalings

    def _reader(self, number: int, node: int, axis: int, v: Vector) -> list[Scaling]:
        step, module = self.trace.steps[number], self.trace.module_of(number)
        made = step.outputs[0]
        if step.op in ALIASES or step.op in ("permute", "transpose"):
            axis = axis_after(step, self._shape(node), self._shape(made), axis)
            return self._after(made, axis, v)
        if self._passes(step, axis, v) or self._scaled(number) == node:
            return self._after(made, axis, v)
        if step.op in ("split", "split_with_sizes"):
            ends = np.cumsum([self._shape(output)[axis] for output in step.outputs])
            if ends[-1] != len(v):
                raise CannotFoldError(f"{step.op} in {module} parts places and not channels")
            parts = zip(step.outputs, np.split(v, ends[:-1]), strict=True)
            return [s for output, part in parts for s in self._after(output, axis, part)]
        position = 0 if step.op.endswith("convolution") else _MATRIX_PRODUCTS.get(step.op)
        wide = axis == 1 if step.op.endswith("convolution") else axis == len(self._shape(node)) - 1
        if position is None or step.inputs[position] != node or not wide:
            raise CannotFoldError(f"{step.op} in {module or 'the model'} reads the product")
        return [self._checked(Scaling(module, "input", v))]

    def _passes(self, step: Step, axis: int, v: Vector) -> bool:
        """Tell whether a scale of what goes in is the same scale of what comes out."""
        taken, made = self._shape(step.inputs[0]), self._shape(step.outputs[0])
        if taken[: axis + 1] != made[: axis + 1] or self._reduces(step, axis):
            return False
        if step.op in _POSITIVE and (v < 0).any():
            raise CannotFoldError(f"there is a {step.op}, and the gate is negative in places")
        if step.op == "constant_pad_nd":
            return bool(step.scalars[-1] == 0)
        if step.op == "add" and len(step.inputs) == 1:
            return bool(step.scalars[0] == 0)  # how a sum over branches begins
        return step.op in _LINEAR or step.op in _POSITIVE

    def _reduces(self, step: Step, axis: int) -> bool:
        """Tell whether a mean or a sum runs over an axis."""
        if step.op not in ("mean", "sum"):
            return False
        dims = len(self._shape(step.inputs[0]))
        over = [s for s in step.scalars if isinstance(s, int) and not isinstance(s, bool)]
        return not over or axis in [dim % dims for dim in over]

    def _module(self, step: int) -> nn.Module | None:
        return self.modules.get(self.trace.module_of(step))

    def _scaled(self, number: int) -> int | None:
        """Return what a step multiplies by a constant or a frozen gate, None if it does not."""
        step = self.trace.steps[number]
        if number in self._gated:
            return self._gated[number]
        if step.op not in ("mul", "div"):
            return None
        depending = [node for node in step.inputs if self.trace.nodes[node].depends]
        if len(depending) != 1 or self._shape(depending[0]) != self._shape(step.outputs[0]):
            return None
        return depending[0] if step.op == "mul" or depending[0] == step.inputs[0] else None

    def _checked(self, scaling: Scaling) -> Scaling:
        """Return a scaling that is known to work, tried on a copy of the layer."""
        layer = self.modules[scaling.module]
        if (times := self.trace.times(scaling.module)) != 1:
            raise CannotFoldError(f"{scaling.module} is called {times} times")
        if any(id(parameter) in self._shared for parameter in layer.parameters()):
            raise CannotFoldError(f"{scaling.module} shares its weight with another layer")
        if others := self._weight_readers.get(scaling.module, set()) - {scaling.module}:
            raise CannotFoldError(f"{min(others) or 'the model'} reads {scaling.module}'s weight")
        try:
            _scale(copy.deepcopy(layer), scaling)
        except (ModelError, RuntimeError) as error:
            raise CannotFoldError(f"{scaling.module} cannot be scaled: {error}") from None
        return scaling

    @cached_property
    def _weight_readers(self) -> dict[str, set[str]]:
        """By the name of a module, the modules in whose forward pass its own weights are read."""
        readers: dict[str, set[str]] = {}
        for number in self.live:
            for node in self.trace.steps[number].inputs:
                if name := self.trace.names.get(node):
                    owner = name.rpartition(".")[0]
                    readers.setdefault(owner, set()).add(self.trace.module_of(number))
        return readers

    @cached_property
    def _shared(self) -> set[int]:
        """The parameters that several modules hold."""
        held = Counter(
            id(parameter)
            for module in set(self.modules.values())
            for parameter in module.parameters(recurse=False)
        )
        return {key for key, count in held.items() if count > 1}

    def scale(self, scaling: Scaling) -> None:
        """Change a layer in place as a scaling says."""
        _scale(self.modules[scaling.module], scaling)

    def _shape(self, node: int) -> tuple[int, ...]:
        return self.trace.nodes[node].shape


def _scale(layer: nn.Module, scaling: Scaling) -> None:
    tensor = next(chain(layer.parameters(), layer.buffers()), torch.empty(0))
    v = torch.from_numpy(scaling.factors).to(tensor)
    change = scale_linear_map if scaling.side == "output" else scale_input
    change(layer, v)
