"""Find the gates of a model once, and freeze any of them: each folds, or stays as a scale."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pandas as pd
import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from stripe.asr import Gated
from stripe.asr.difference import check_difference, rounding_bound
from stripe.errors import ModelError, UnknownNameError
from stripe.gates.choose import chosen_gates
from stripe.gates.find import DEFAULT_KINDS, Place, places
from stripe.gates.fingerprint import check_fingerprint
from stripe.gates.folding.factors import CannotFoldError
from stripe.gates.folding.flow import Flow
from stripe.gates.folding.fold import Fold, Folder, Vector
from stripe.gates.freezing.checked_copy import accepted, deep_copy
from stripe.gates.freezing.fold_error import differences
from stripe.gates.freezing.frozen import REPORT_COLUMNS, Frozen
from stripe.gates.freezing.means import Means, constants, vector_of
from stripe.gates.freezing.replaceable_products import unreplaceable
from stripe.gates.freezing.substitute import Substitute, zeros
from stripe.gates.freezing.trace_without_example import trace_of
from stripe.gates.tracing.steps import Trace
from stripe.gates.tracing.trace import trace
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.uncompiled import uncompiled
from stripe.modules.undisturbed import undisturbed
from stripe.modules.unwrap import modules_by_name
from stripe.registry import listed
from stripe.select import Selection

#: The name of the whole output, among the tensors that are compared.
_OUTPUT = ""
#: The reason of a gate that is not frozen begins with this.
_NOT_FROZEN = "it still depends on the image: "


@dataclass(frozen=True)
class Plan:
    """A model whose gates were found, and the constants to freeze them at.

    Parameters
    ----------
    model
        The network, unwrapped.
    trace
        A forward pass of it.
    places
        The gates that the data has means of.
    means
        The constants, by the name of the gate, not yet checked.
    kept
        Mapping from the names of gates that cannot be frozen to the reasons.
    """

    model: nn.Module
    trace: Trace
    places: Sequence[Place]
    means: Mapping[str, np.ndarray]
    kept: Mapping[str, str] = field(default_factory=dict)

    def freeze(self, gates: Selection = "all", *, fold: bool = True) -> Frozen:
        """Freeze chosen gates in a copy of the model, as `stripe.freeze` does."""
        mine, making = self._chosen(gates)
        folds, reasons = making.folds() if fold else ({}, {})
        frozen, errors = making.build(folds)
        bound = rounding_bound(self.model)
        if not _sound(errors, folds, bound):
            reasons |= making.misfits(folds, bound)
            folds = {name: plan for name, plan in folds.items() if name not in reasons}
            frozen, errors = making.build(folds)
        error = _measured(errors)
        check_difference(frozen, error)
        return Frozen(frozen, self._report(mine, folds, {**reasons, **self.kept}), error)

    def constant(self, gates: Selection = "all") -> nn.Module:
        """Return the model of `freeze(gates, fold=False)`, without its comparison."""
        return self._chosen(gates)[1].frozen({})

    def _chosen(self, gates: Selection) -> tuple[list[Place], "_Making"]:
        """Return the chosen gates, and a maker of copies with those frozen that can be."""
        chosen = {gate.name for gate in chosen_gates([p.gate for p in self.places], gates)}
        mine = [place for place in self.places if place.gate.name in chosen]
        able = [place for place in mine if place.gate.name not in self.kept]
        vectors = {place.gate.name: vector_of(place.gate, self.means) for place in able}
        return mine, _Making(self, Flow(self.trace, able), vectors)

    def _report(
        self, mine: Sequence[Place], folds: Mapping[str, Fold], reasons: Mapping[str, str]
    ) -> pd.DataFrame:
        rows = [
            {
                "gate": place.gate.name,
                "frozen": place.gate.name not in self.kept,
                "folded": place.gate.name in folds,
                "into": _into(place, folds.get(place.gate.name)),
                "reason": reasons.get(place.gate.name, ""),
            }
            for place in sorted(mine, key=lambda place: place.gate.name in self.kept)
        ]
        return pd.DataFrame(rows, columns=REPORT_COLUMNS)


def plan(
    model: nn.Module | ExportedProgram,
    data: Means,
    *,
    epoch: int | None = None,
    example: Tensor | None = None,
    force: bool = False,
) -> Plan:
    """Find the gates of a model that data has means of.

    Arguments and errors are those of `stripe.freeze`.
    """
    model = accepted(model)
    if not force:
        check_fingerprint(model, data, epoch)
    means, shape = constants(data, epoch)
    watched = trace_of(model, example, shape)
    known = _known(watched, means)
    kept = {
        place.gate.name: f"{_NOT_FROZEN}{reason}"
        for place in known
        if (reason := _unfreezable(watched, place))
    }
    return _verified(Plan(model, watched, known, means, kept))


@dataclass(frozen=True)
class _Making:
    """Make frozen copies of a plan's model, for one choice of gates."""

    plan: Plan
    flow: Flow
    vectors: Mapping[str, Vector]

    def folds(self) -> tuple[dict[str, Fold], dict[str, str]]:
        """Return how each gate folds, and why the others do not."""
        folder = Folder(self.flow, modules_by_name(self.plan.model))
        folds, reasons = {}, {}
        for place in self.flow.frozen:
            name = place.gate.name
            try:
                folds[name] = folder.fold(place, self.vectors[name])
            except CannotFoldError as reason:
                reasons[name] = str(reason)
        return folds, reasons

    def build(self, folds: Mapping[str, Fold]) -> tuple[nn.Module, dict[str, float]]:
        """Return a copy with the gates frozen, and its differences from the constant network."""
        folded, constant = self.frozen(folds), self.constant()
        beside = {name: self._continuous(fold.beside) for name, fold in folds.items()}
        if not self.flow.chooses:
            beside[_OUTPUT] = frozenset([_OUTPUT])
        sample = zeros(self.plan.model, self.flow.trace.input_shape)
        exact = torch.autocast(sample.device.type, enabled=False)  # its rounding is not the fold's
        eager = uncompiled()
        with (
            interrupts_held(),
            undisturbed(constant),
            undisturbed(folded),
            exact,
            eager,
            interrupts_allowed(),
        ):
            return folded, differences(constant, folded, beside, sample)

    def frozen(self, folds: Mapping[str, Fold]) -> nn.Module:
        """Return a copy of the model without its gates, some of which fold."""
        folded = deep_copy(self.plan.model)
        modules = modules_by_name(folded)
        for scaling in chain.from_iterable(fold.scalings for fold in folds.values()):
            scaling.on(modules)
        return Substitute(self.flow, self.vectors, folds).owners(folded)

    def constant(self) -> nn.Module:
        """Return a copy of the model whose gates are constants."""
        copy = deep_copy(self.plan.model)
        return Substitute(self.flow, self.vectors, {}).gates(copy)

    def misfits(self, folds: Mapping[str, Fold], bound: float) -> dict[str, str]:
        """Return the gates whose fold alone changes a tensor beside them, with the reason."""
        reasons = {}
        for name, fold in folds.items():
            _, errors = self.build({name: fold})
            compared = [error for error in errors.values() if not math.isnan(error)]
            if math.isnan(errors[name]):
                reasons[name] = f"nothing beside it could be compared to fold it into {fold.into}"
            elif max(compared) > bound:
                changed = f"changes the output by {max(compared):.1g}"
                reasons[name] = f"folding it into {fold.into} {changed}"
        return reasons

    def _continuous(self, names: frozenset[str]) -> frozenset[str]:
        """Leave out modules that choose by value, which rounding can turn over."""
        return frozenset(name for name in names if not self.flow.chooses_in(name))


def _sound(errors: Mapping[str, float], folds: Mapping[str, Fold], bound: float) -> bool:
    """Tell whether every fold was compared, and none changed more than rounding does."""
    compared = not any(math.isnan(errors[name]) for name in folds)
    return compared and not any(error > bound for error in errors.values())


def _measured(errors: Mapping[str, float]) -> float:
    """Return the difference of the outputs, or the largest beside a gate if they are unknown."""
    output = errors.get(_OUTPUT, math.nan)
    beside = [error for error in errors.values() if not math.isnan(error)]
    return max(beside, default=0.0) if math.isnan(output) else output


def _into(place: Place, fold: Fold | None) -> str:
    """Return the layers that took a gate, by their names after `Gated` is replaced by its host."""
    if fold is None:
        return ""
    owner = place.gate.owner
    host = f"{owner}.host".lstrip(".")
    ours = place.gate.owner_class == Gated.__name__
    return ", ".join(owner if ours and s.target == host else s.target for s in fold.scalings)


def _verified(plan: Plan) -> Plan:
    """Trace the network with constants, and keep the gates that still depend on the image."""
    able = [place for place in plan.places if place.gate.name not in plan.kept]
    by_function = [p for p in able if p.hook is None or _in_graph(plan.model, p)]
    if not by_function:
        return plan
    halves = {place.gate.name: np.full(place.gate.channels, 0.5) for place in able}
    constant = _Making(plan, Flow(plan.trace, able), halves).constant()
    again = trace(constant, zeros(constant, plan.trace.input_shape))
    left = {place.gate.name for place in places(again)}
    kept = {
        p.gate.name: f"{_NOT_FROZEN}no constant reaches its product in "
        f"{p.gate.owner or 'the model'}"
        for p in by_function
        if p.gate.name in left
    }
    return Plan(plan.model, plan.trace, plan.places, plan.means, {**plan.kept, **kept})


def _unfreezable(watched: Trace, place: Place) -> str | None:
    if place.shape.rows > 1:
        return "it multiplies groups of channels that are folded into the batch"
    return unreplaceable(Flow(watched, [place]), place)


def _in_graph(model: nn.Module, place: Place) -> bool:
    return isinstance(modules_by_name(model)[place.gate.owner], fx.GraphModule)


def _known(watched: Trace, means: Mapping[str, np.ndarray]) -> list[Place]:
    """Return the gates that there are means of."""
    every = places(watched)
    found = [place for place in every if place.gate.kind in DEFAULT_KINDS]
    known = [place for place in found if place.gate.name in means]
    others = {p.gate.name: p.gate.kind for p in every if p.gate.kind not in DEFAULT_KINDS}
    if not known and (mine := [name for name in others if name in means]):
        raise ModelError(
            f"only gates of the kinds {', '.join(DEFAULT_KINDS)} can be frozen, and the data has "
            f"means of {mine[0]!r}, a {others[mine[0]]}"
        )
    if not found:
        raise ModelError("no gates were found in the model, so there is nothing to freeze")
    if not known:
        names = listed([place.gate.name for place in found]) or "none"
        raise UnknownNameError(
            f"the data must have means of the model's gates, {names}, and has those of: "
            f"{listed(list(means)) or 'none'}"
        )
    return known
