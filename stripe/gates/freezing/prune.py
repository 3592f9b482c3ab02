"""Set to 0 the weights that read channels whose gate is 0."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor, nn

from stripe.asr.difference import check_difference, largest_difference
from stripe.gates.folding.factors import CannotFoldError
from stripe.gates.folding.flow import Flow
from stripe.gates.folding.fold import Folder
from stripe.gates.folding.scaling import Scaling
from stripe.gates.freezing.checked_copy import deep_copy
from stripe.gates.freezing.plan import Plan, plan
from stripe.gates.place import Place
from stripe.modules.unwrap import modules_by_name


@dataclass
class Pruned:
    """A network in which some layers no longer read channels whose gate is 0.

    Parameters
    ----------
    model
        The network; its gates are computed as before.
    into
        By gate, the names of the layers whose weights for these channels are 0.
    reasons
        By gate, the reason why its channels were not pruned.
    error
        The largest difference that pruning made in the outputs on random images, relative to the
        largest output. For this comparison, the gates are 0 in the pruned channels and 1 in the
        others.
    """

    model: nn.Module
    into: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    error: float = 0.0


def pruned(
    model: nn.Module, kept: Mapping[str, np.ndarray], example: Tensor | None = None
) -> Pruned:
    """Copy a network, and set to 0 the weights that read channels whose gate is 0.

    The layers before a gate do not change, because the gate is computed from their outputs.

    Parameters
    ----------
    model
        The network.
    kept
        By gate, 1 for the channels that stay and 0 for the others.
    example
        As for `stripe.freeze`.
    """
    found = Pruned(deep_copy(model))
    if not kept:
        return found
    planned = plan(model, kept, example=example, force=True)
    modules = modules_by_name(found.model)
    for place in planned.places:
        name = place.gate.name
        try:
            scalings = _scalings(planned, place, kept[name])
        except CannotFoldError as reason:
            found.reasons[name] = str(reason)
            continue
        for scaling in scalings:
            scaling.on(modules)
        found.into[name] = ", ".join(scaling.target for scaling in scalings)
    if found.into:
        before, after = (
            plan(one, kept, example=example, force=True).freeze(list(found.into), fold=False).model
            for one in (model, found.model)
        )
        found.error = largest_difference(before, after, example)
        check_difference(found.model, found.error)
    return found


def _scalings(planned: Plan, place: Place, kept: np.ndarray) -> list[Scaling]:
    """Return how the layers that read a product are scaled."""
    if place.gate.name in planned.kept:
        raise CannotFoldError(planned.kept[place.gate.name])
    flow = Flow(planned.trace, [place])
    product = flow.product(place)
    if place.count is None or not flow.multiplies_once(place):
        raise CannotFoldError("it does more than to multiply features once")
    if product.offset:
        raise CannotFoldError("x + x v is not 0 where the gate v is")
    form = planned.trace.nodes[place.operand].compact
    folder = Folder(flow, modules_by_name(planned.model))
    return folder.after(product.node, kept.reshape(1, *form[1:]))
