"""Put constants in the places of gates."""

from collections.abc import Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor, fx, nn

from stripe.asr import Gated
from stripe.gates.find import Place
from stripe.gates.folding.factors import Factors
from stripe.gates.folding.flow import Flow
from stripe.gates.folding.fold import Fold, Vector
from stripe.gates.freezing import graph, operands
from stripe.gates.freezing.constant import ConstantGate, ConstantScale, PassOn
from stripe.gates.freezing.replaceable_products import Spot, own_products, spots
from stripe.gates.tracing.trace import trace
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.undisturbed import undisturbed
from stripe.modules.unwrap import modules_by_name


class Substitute:
    """Put constants into a copy of a model.

    Parameters
    ----------
    flow
        The gates, and what reads what.
    vectors
        The constants, by the name of the gate.
    folds
        The gates that were folded.
    """

    def __init__(
        self, flow: Flow, vectors: Mapping[str, Vector], folds: Mapping[str, Fold]
    ) -> None:
        self._flow = flow
        self._vectors = vectors
        self._folds = folds

    def gates(self, model: nn.Module) -> nn.Module:
        """Replace the sources of the gates, in place; the squeeze is still computed."""
        return self._replace_all(model, modules_by_name(model), self._flow.frozen)

    def owners(self, model: nn.Module) -> nn.Module:
        """Replace, in place, whole modules that only apply a gate, and other gates as `gates` does.

        The computation of the gate is removed with its module, and from graphs.
        """
        modules, rest = modules_by_name(model), []
        for place in self._flow.frozen:
            fold, owner = self._folds.get(place.gate.name), modules[place.gate.owner]
            if isinstance(owner, Gated) and fold and fold.neutral == 1:
                model = replaced(model, owner, owner.host)
            elif self._flow.does_nothing_else(place):
                model = replaced(model, owner, PassOn() if fold else self._scale(place))
            else:
                rest.append(place)
        return self._replace_all(model, modules, rest)

    def _replace_all(
        self, model: nn.Module, modules: Mapping[str, nn.Module], places: Sequence[Place]
    ) -> nn.Module:
        by_function = []
        for place in places:
            in_graph = isinstance(modules[place.gate.owner], fx.GraphModule)
            if place.hook is None or (in_graph and place.count is not None and self._spots(place)):
                by_function.append((place, self._spots(place)))
            else:
                model = replaced(model, modules[place.hook], self._gate(place, place.hook))
        if by_function:
            self._replace_operands(model, modules, by_function)
        operands.count_again(model, zeros(model, self._flow.trace.input_shape))
        return model

    def _replace_operands(
        self,
        model: nn.Module,
        modules: Mapping[str, nn.Module],
        by_function: Sequence[tuple[Place, Sequence[Spot]]],
    ) -> None:
        """Replace operands of products, whose order the modules that went may have changed."""
        example = zeros(model, self._flow.trace.input_shape)
        again = trace(model, example)
        names = {id(module): name for name, module in modules_by_name(model).items()}
        nodes: dict[str, list[fx.Node]] = {}
        for place, found in by_function:
            for spot in found:
                owner = modules[spot.owner]
                own = own_products(again, names.get(id(owner), spot.owner))
                if id(owner) not in names or spot.order >= len(own):
                    continue  # it went with a module around it
                value = on_device_of(owner, model, self._value_at(place, spot))
                if isinstance(owner, fx.GraphModule):
                    if spot.owner not in nodes:
                        with interrupts_held(), undisturbed(model), interrupts_allowed():
                            nodes[spot.owner] = graph.product_nodes(model, owner, example)
                    if len(nodes[spot.owner]) == len(own):
                        self._rewrite(owner, nodes[spot.owner][spot.order], place, spot, value)
                elif operand := operands.operand_at(again, own[spot.order], spot.position):
                    operands.multiply_by(owner, operand, value)

    def _rewrite(
        self, part: fx.GraphModule, node: fx.Node, place: Place, spot: Spot, value: Tensor
    ) -> None:
        fold = self._folds.get(place.gate.name)
        if node not in part.graph.nodes:
            return  # it went with the squeeze of another gate
        if fold is None or not graph.bypass(part, node, spot.position, fold.neutral):
            graph.multiply_node_by(part, node, spot.position, value)

    def _spots(self, place: Place) -> list[Spot]:
        return spots(self._flow, place) or []

    def _value_at(self, place: Place, spot: Spot) -> Tensor:
        number = own_products(self._flow.trace, spot.owner)[spot.order]
        return self._value(place, self._flow.trace.steps[number].inputs[spot.position])

    def _value(self, place: Place, node: int) -> Tensor:
        """Return the replacement of a node that holds the gate, for one image."""
        form = self._flow.trace.nodes[node].compact[1:]
        fold = self._folds.get(place.gate.name)
        if fold is not None:
            return torch.full((1, *form), float(fold.neutral))
        return torch.from_numpy(self._vectors[place.gate.name]).reshape(1, *form)

    def _scale(self, place: Place) -> ConstantScale:
        product = self._flow.product(place)
        form = self._flow.trace.nodes[place.operand].compact[1:]
        factors: Factors = product.offset + product.slope * self._vectors[place.gate.name]
        return ConstantScale(torch.from_numpy(factors).reshape(1, *form))

    def _gate(self, place: Place, hook: str) -> ConstantGate:
        trace = self._flow.trace
        call = next(call for call in trace.calls if call.module == hook)
        rows = trace.nodes[call.outputs[0]].shape[:1]
        given = [trace.nodes[node].shape[:1] for node in call.inputs]
        rows_of = given.index(rows) if rows in given else None
        return ConstantGate(self._value(place, call.outputs[0]), rows_of)


def replaced(model: nn.Module, old: nn.Module, new: nn.Module) -> nn.Module:
    """Put `new` wherever `old` is registered, on its device and in its mode."""
    if isinstance(new, ConstantGate | ConstantScale):
        new.value = on_device_of(old, model, new.value)
    new.training = old.training
    for parent in model.modules():
        for name, child in list(parent._modules.items()):
            if child is not None and (child is old or getattr(child, "_orig_mod", None) is old):
                setattr(parent, name, new)  # with its wrapper, if it was compiled
    return new if model is old else model


def on_device_of(old: nn.Module, model: nn.Module, value: Tensor) -> Tensor:
    """Return a constant on the device and in the number format of the module it is put into."""
    tensors = (p for p in chain(old.parameters(), model.parameters()) if p.is_floating_point())
    return value.to(next(tensors, value))


def zeros(model: nn.Module, shape: Sequence[int]) -> Tensor:
    """Return images of zeros in the number format of the model, on its device."""
    tensors = (p for p in chain(model.parameters(), model.buffers()) if p.is_floating_point())
    return next(tensors, torch.empty(0)).new_zeros(tuple(shape))
