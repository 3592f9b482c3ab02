"""The gates of a model that can be replaced while it runs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from stripe.errors import ModelError
from stripe.gates.choose import chosen_gates
from stripe.gates.find import DEFAULT_KINDS, places
from stripe.gates.fingerprint import check_fingerprint
from stripe.gates.folding.flow import Flow
from stripe.gates.freezing.means import Means
from stripe.gates.freezing.operands import Operand, operand_at
from stripe.gates.freezing.replaceable_products import own_products, spots, unreplaceable
from stripe.gates.freezing.trace_without_example import trace_of
from stripe.gates.place import Place
from stripe.gates.tracing.steps import Trace
from stripe.intervene.recorded import RecordedValues
from stripe.intervene.replaced import paused
from stripe.modules.unwrap import device_of, unwrapped
from stripe.select import Selection


@dataclass(frozen=True)
class Replaceable:
    """A model, and its gates.

    Parameters
    ----------
    model
        The network, unwrapped.
    trace
        A trace of its forward pass.
    places
        The gates by name, in forward order.
    """

    model: nn.Module
    trace: Trace
    places: Mapping[str, Place]

    def chosen(self, gates: Selection | None, known: Collection[str] | None) -> list[Place]:
        """Return the chosen gates; "all" chooses only those that are known.

        Parameters
        ----------
        gates
            The selection.
        known
            The recorded gates; None if the intervention needs no recording.

        Raises
        ------
        UnknownNameError
            If the model does not have a gate.
        ModelError
            If a gate is not known, or cannot be replaced.
        """
        found = [place.gate for place in self.places.values()]
        chosen = [gate.name for gate in chosen_gates(found, gates)]
        missing = [] if known is None else [name for name in chosen if name not in known]
        if gates is None or gates == "all":
            chosen = [name for name in chosen if name not in missing]
        elif missing:
            raise ModelError(
                f"the gate {missing[0]!r} must be recorded to be replaced by what was recorded, "
                f"and is not among the {len(known or [])} that are; record it"
            )
        if not chosen:
            raise ModelError(
                "a model must have gates to be replaced, and "
                f"{'none of its gates is recorded' if missing else 'none were found'}; "
                "stripe.find_gates says what counts as one"
            )
        for name in chosen:
            self._check(self.places[name])
        return [self.places[name] for name in chosen]

    def operands(self, place: Place) -> list[Operand]:
        """Return the places of the products that read a functionally computed gate."""
        found = []
        for spot in spots(Flow(self.trace, [place]), place) or []:
            step = own_products(self.trace, spot.owner)[spot.order]
            operand = operand_at(self.trace, step, spot.position)
            found += [] if operand is None else [operand]
        return found

    def _check(self, place: Place) -> None:
        reason = unreplaceable(Flow(self.trace, [place]), place)
        if reason is None and place.hook is None and not self.operands(place):
            reason = f"no Python code in {place.gate.owner or 'the model'} asks for its product"
        if reason is not None:
            raise ModelError(
                f"the gate {place.gate.name!r} cannot be replaced: {reason}; leave it out with "
                "gates=[...]"
            )


def replaceable_with(
    model: nn.Module,
    data: Means | None,
    kinds: Collection[str] = DEFAULT_KINDS,
    *,
    epoch: int | None,
    example: Tensor | None,
    force: bool,
) -> tuple[Replaceable, RecordedValues]:
    """Find the gates of a model, and open their recorded values.

    Parameters
    ----------
    model, data, kinds, epoch, example, force
        As for `stripe.intervene`, with `data` as its recording.

    Raises
    ------
    ModelError
        As for `replaceable`, or if `data` was recorded from other weights (without `force`).
    """
    recorded = RecordedValues(data, epoch)
    if not force:
        check_fingerprint(model, data, epoch)
    return replaceable(model, kinds, example=example, shape=recorded.input_shape), recorded


def replaceable(
    model: nn.Module,
    kinds: Collection[str],
    *,
    example: Tensor | None = None,
    shape: tuple[int, ...] | None = None,
) -> Replaceable:
    """Find the gates of a model, with all interventions suspended.

    Raises
    ------
    ModelError
        If the model cannot be watched, has no values, or takes no usual size of image.
    """
    model = unwrapped(model)
    if (device := device_of(model)) is not None and device.type == "meta":
        raise ModelError(
            "a network must have values to be run, and its weights are on the meta device; load "
            "them onto another one"
        )
    with paused():
        watched = trace_of(model, example, shape)
    found = {p.gate.name: p for p in places(watched) if p.gate.kind in kinds}
    return Replaceable(model, watched, found)
