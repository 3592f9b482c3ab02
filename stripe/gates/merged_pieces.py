"""Merge the gates of a model that goes through a batch piece by piece, and name all gates."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from stripe.gates.place import Place
from stripe.gates.shape import Shape, gated_shape
from stripe.gates.tracing.steps import Trace


def owner_products(watched: Trace, owner: str, of_signals: bool) -> list[tuple[int, Shape]]:
    """Return the steps in which a module multiplies by something of the shape of a gate."""
    spans = [(call.first, call.last) for call in watched.calls if call.module == owner]
    return [
        (number, shape)
        for first, last in spans
        for number in range(first, last if last >= 0 else len(watched.steps))
        if (shape := _shape(watched, number)) is not None and shape.of_signals is of_signals
    ]


def _shape(watched: Trace, number: int) -> Shape | None:
    step = watched.steps[number]
    if step.op != "mul":
        return None
    operands = [(watched.nodes[node].shape, watched.nodes[node].compact) for node in step.inputs]
    found = gated_shape(operands)
    return found and found[1]


def merged(watched: Trace, places: Sequence[Place]) -> list[Place]:
    """Merge the places of a gate that a model computes for one piece of the batch after another.

    A model may run a module on each image, or on chunks of the batch. Its multiplications then
    occur once for each piece. The places of the first piece represent all of them.
    """
    images = watched.input_shape[0]
    kept = []
    for place in places:
        rows = watched.nodes[place.features].shape[0]
        if not rows or rows >= images or place.count is None or images % rows:
            kept.append(place)
        elif (first := _of_first_piece(watched, place, images // rows)) is not None:
            kept.append(first)
    return kept


def _of_first_piece(watched: Trace, place: Place, pieces: int) -> Place | None:
    """Return the place as it is in the first piece, None if it is in another one."""
    sizes = [
        shape for _, shape in owner_products(watched, place.gate.owner, place.shape.of_signals)
    ]
    period, odd = divmod(len(sizes), pieces)
    if odd:
        return replace(place, gate=replace(place.gate, per_image_values=0))
    assert place.count is not None
    if sizes == sizes[:period] * pieces:  # a, b of one image, then a, b of the next
        first, count = place.count < period, place.count
    else:  # a of all images, then b of all
        first, count = place.count % pieces == 0, place.count // pieces
    gate = replace(place.gate, per_image_values=1)
    return replace(place, gate=gate, count=count, period=period) if first else None


def uniquely_named(places: Sequence[Place]) -> list[Place]:
    """Add a number to each name that another place already has."""
    taken: dict[str, int] = defaultdict(int)
    names = {place.gate.name for place in places}
    unique = []
    for place in places:
        name = base = place.gate.name
        while taken[name] or (name != base and name in names):
            taken[base] += 1
            name = f"{base}:{taken[base] - 1}"
        taken[name] += 1
        unique.append(replace(place, gate=replace(place.gate, name=name)))
    return unique
