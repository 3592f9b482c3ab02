"""The places in a model of the gates that a Recorder records."""

from dataclasses import dataclass

from torch import Tensor, nn

from stripe.errors import ModelError
from stripe.gates.choose import chosen_gates
from stripe.gates.find import DEFAULT_KINDS, KINDS, Place, find_places, unbounded
from stripe.recording import RecordedGate
from stripe.select import Selection
from stripe.warn import warn


@dataclass(frozen=True)
class RecordedPlace(Place):
    """The place of a gate that is recorded, in the trace of a forward pass."""

    gate: RecordedGate


def recorded_places(
    model: nn.Module, example: Tensor, gates: Selection | None, *, spatial: bool, inputs: bool
) -> list[RecordedPlace]:
    """Find the chosen gates and, with `spatial`, the chosen spatial maps.

    Raises
    ------
    ModelError
        If the model has no gates, or `gates` is empty.
    UnknownNameError
        If the model has no gate of a given name.
    """
    places = find_places(model, example)
    kinds = {*KINDS} if callable(gates) else {*DEFAULT_KINDS, "spatial"}
    if not spatial:
        kinds -= {"spatial"}
    found = [place.gate for place in places if place.gate.kind in kinds]
    left_out = unbounded(places)
    if not found:
        raise ModelError(
            f"no gates were found in this {type(model).__name__}, so there is nothing to record; "
            + (
                left_out
                or "stripe.find_gates says what counts as one, and "
                "stripe.insert(model, attention='se') adds some"
            )
        )
    if left_out and gates in (None, "all"):
        warn(left_out)
    chosen = {gate.name for gate in chosen_gates(found, gates)}
    if not chosen:
        raise ModelError("gates= names no gate to record, got []; give names or patterns")
    return [_recorded(place, inputs) for place in places if place.gate.name in chosen]


def _recorded(place: Place, inputs: bool) -> RecordedPlace:
    return RecordedPlace(**{**vars(place), "gate": RecordedGate.of(place.gate, pooled=inputs)})
