"""The interventions by name: functions from the computed gate to the gate that multiplies."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from stripe.errors import ModelError
from stripe.gates.place import Place
from stripe.intervene.batch import Batch
from stripe.intervene.recorded import RecordedValues
from stripe.registry import listed, nearest

#: Function from a gate, (images, channels), and its batch to the replacement.
Function = Callable[[Float[Tensor, "b c"], Batch], Tensor]

#: The name of an intervention, a vector, a function of the gate, or any of them by gate.
How = str | float | Sequence[float] | np.ndarray | Tensor | Callable[..., Any] | Mapping[str, Any]


def function_of(how: How, place: Place, recorded: RecordedValues) -> Function:
    """Return the function of an intervention on one gate.

    Parameters
    ----------
    how
        The name of an intervention, a number, a vector (C,) or rows (B, C), a function of the
        gate, or a mapping to these from the names of gates.
    place
        The gate.
    recorded
        Recorded values of the gate.

    Raises
    ------
    ModelError
        If there is no intervention of that name, a vector does not fit the gate, or the recording
        does not suffice.
    """
    if isinstance(how, Mapping):
        if place.gate.name not in how:
            raise ModelError(
                "interventions by gate must name every chosen gate, and do not name "
                f"{place.gate.name!r}; leave gates= out to replace those that they name"
            )
        return function_of(how[place.gate.name], place, recorded)
    check_names(how)
    if isinstance(how, str):
        return INTERVENTIONS[how](place, recorded)
    if callable(how):
        return lambda values, batch: how(values)
    return _array(_numbers(how, place), place)


def check_names(how: How) -> None:
    """Raise a `ModelError` if an intervention, or one of those by gate, has an unknown name."""
    for one in how.values() if isinstance(how, Mapping) else [how]:
        if isinstance(one, str) and one not in INTERVENTIONS:
            raise ModelError(
                f"an intervention is one of {listed(list(INTERVENTIONS))}, an array or a "
                f"function of the gate; {nearest(one, INTERVENTIONS)}got {one!r}"
            )


def needs_recording(how: How) -> bool:
    """Return whether an intervention needs a recording."""
    if isinstance(how, Mapping):
        return any(map(needs_recording, how.values()))
    return isinstance(how, str) and how in INTERVENTIONS and how not in _WITHOUT_RECORDING


def _numbers(how: Any, place: Place) -> Tensor:
    try:
        array = torch.as_tensor(how)
    except (TypeError, ValueError, RuntimeError):
        array = None
    if array is None or array.is_complex():
        raise ModelError(
            f"the gate {place.gate.name!r} is replaced by real numbers, a function or one of "
            f"{listed(list(INTERVENTIONS))}, got {type(how).__name__}"
            f"{'' if array is None else f' of {array.dtype}'}"
        )
    return array


def _array(array: Tensor, place: Place) -> Function:
    width = width_of(place)
    if not array.is_floating_point():
        array = array.to(torch.float64)
    if array.ndim > 2 or array.shape[-1:] not in ((), (1,), (width,)):
        raise ModelError(
            f"the replacement of the gate {place.gate.name!r} must be {width} numbers, or rows of "
            f"as many, got an array of shape {tuple(array.shape)}"
        )

    def constant(values: Tensor, batch: Batch) -> Tensor:
        if array.ndim == 2 and len(array) not in (1, len(values)):
            raise ModelError(
                f"the rows that replace the gate {place.gate.name!r} must be one or {len(values)}, "
                f"as many as the gate has in this batch, got {len(array)}"
            )
        return array.to(values).expand_as(values)

    if array.ndim < 2 or place.gate.per_image_values != 1:
        return constant
    return whole(place, constant)


def whole(place: Place, function: Function) -> Function:
    """Let a function replace the gates of all images of a pass at once, and not of a piece."""

    def checked(values: Tensor, batch: Batch) -> Tensor:
        if place.gate.kind != "constant":
            batch.check_whole(place.gate.name, len(values))
        return function(values, batch)

    return checked


def _one(place: Place, recorded: RecordedValues) -> Function:
    return lambda values, batch: torch.ones_like(values)


def _zero(place: Place, recorded: RecordedValues) -> Function:
    return lambda values, batch: torch.zeros_like(values)


def _mean(place: Place, recorded: RecordedValues) -> Function:
    return _array(torch.from_numpy(recorded.mean(place)), place)


def _grand_mean(place: Place, recorded: RecordedValues) -> Function:
    return _array(torch.tensor(recorded.mean(place).mean()), place)


def _class_mean(place: Place, recorded: RecordedValues) -> Function:
    means = recorded.class_means(place)

    def by_label(values: Tensor, batch: Batch) -> Tensor:
        labels = batch.labels
        if labels is None or labels.shape != values.shape[:1]:
            came = "none" if labels is None else f"shape {tuple(labels.shape)}"
            raise ModelError(
                f'the intervention "class_mean" needs the label of each of the {len(values)} '
                f"images, got {came}; give labels=, or set the labels of each batch"
            )
        return means.of(labels.cpu()).to(values)

    return by_label


def _shuffle(place: Place, recorded: RecordedValues) -> Function:
    check_one_row(place, "shuffle")
    return whole(place, lambda values, batch: values[batch.others(len(values)).to(values.device)])


def _resample(place: Place, recorded: RecordedValues) -> Function:
    check_one_row(place, "resample")
    rows = torch.from_numpy(recorded.values(place))
    return whole(
        place, lambda values, batch: rows[batch.recorded(len(values), len(rows))].to(values)
    )


def check_one_row(place: Place, what: str) -> None:
    """Raise if a gate has several rows for an image, as when frames are folded into the batch."""
    if place.gate.per_image_values != 1:
        raise ModelError(
            f"{what} needs a gate with one row for each image, and {place.gate.name!r} has "
            f"{place.gate.per_image_values or 'another number'}; leave it out with gates=[...]"
        )


def width_of(place: Place) -> int:
    """Return how many values a gate has for one image."""
    height, width = place.shape.spatial or (1, 1)
    return place.gate.channels * height * width


#: Every intervention that has a name.
INTERVENTIONS: dict[str, Callable[[Place, RecordedValues], Function]] = {
    "mean": _mean,
    "grand_mean": _grand_mean,
    "class_mean": _class_mean,
    "shuffle": _shuffle,
    "resample": _resample,
    "one": _one,
    "zero": _zero,
}

_WITHOUT_RECORDING = ("shuffle", "one", "zero")
