"""The products where a gate that no module outputs can be replaced."""

from typing import NamedTuple

from stripe.gates.folding.flow import Flow
from stripe.gates.place import Place
from stripe.gates.tracing.steps import Trace


class Spot(NamedTuple):
    """One multiplication by a gate in a module's own code.

    Parameters
    ----------
    owner
        The module.
    order
        Number of the multiplication among those in the module's own code, from 0.
    position
        Position of the gate among the operands, 0 or 1.
    """

    owner: str
    order: int
    position: int


def spots(flow: Flow, place: Place) -> list[Spot] | None:
    """Return every multiplication that reads a gate, None if another operation reads it too."""
    found, root = [], flow.trace.root(place.operand)
    for number in flow.readers_of_gate(place):
        owner = flow.trace.module_of(number)
        own = own_products(flow.trace, owner)
        roots = [flow.trace.root(node) for node in flow.trace.steps[number].inputs]
        if number not in own or flow.trace.times(owner) != 1 or roots.count(root) != 1:
            return None
        found.append(Spot(owner, own.index(number), roots.index(root)))
    return found


def own_products(watched: Trace, owner: str) -> list[int]:
    """Return the multiplications of tensors that a module's own code asks for, in order."""
    return [
        number
        for number in watched.products
        if watched.module_of(number) == owner and watched.steps[number].op == "mul"
    ]


def unreplaceable(flow: Flow, place: Place) -> str | None:
    """Return the reason why a gate cannot be replaced, None if it can."""
    if place.hook is not None:
        return None
    where = place.gate.owner or "the model"
    if flow.trace.times(place.gate.owner) != 1:
        times = flow.trace.times(place.gate.owner)
        return f"{where}, which computes it, is called {times} times in a pass"
    if flow.trace.nodes[place.features].shape[0] < flow.trace.input_shape[0]:
        return f"{where} computes it by functions in a loop over the batch"
    if spots(flow, place) is None:
        return (
            f"functions in {where} compute it, and code other than x * gate reads it; if that is "
            "a product (as in einsum), write it as x * gate"
        )
    return None
