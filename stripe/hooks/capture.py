"""Hooks that read gates, and the features that they multiply, from a running model."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from stripe.errors import ModelError
from stripe.gates.shape import Shape, pooled
from stripe.hooks.operands import Operands, unrepeated
from stripe.hooks.places import RecordedPlace
from stripe.hooks.rows import PassValues, ProductRows
from stripe.modules.feed import feed
from stripe.modules.hooked import Hooks
from stripe.modules.unwrap import device_of

#: How far the average of features may be from that of what is multiplied, which may be cast to half
#: precision before, relative to the largest.
_CASTS = 0.02


class Capture:
    """Take the gates of one forward pass after another.

    Forward hooks read a gate from the output of a module. They read the features that it multiplies
    from the output of another module, or from the first argument of the owner. If no module outputs
    the gate, the operands of the owner's multiplications are read. If the model computes the
    average of the features in float32, this average is read from the model.
    """

    def __init__(
        self, places: Sequence[RecordedPlace], model: nn.Module, modules: Mapping[str, nn.Module]
    ):
        self._places = places
        self._model = model
        self._modules = modules
        self._taken = PassValues()
        self._running = self._in_single = False

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Keep hooks on the model; they are gone afterwards, whatever happens."""
        self._in_single = _computes_in_single(self._model)
        with Hooks() as hooks:
            for place in self._places:
                self._hook(place, hooks)
            hooks.enter_context(self._operands().hooked(self._modules))
            yield

    def run(self, images: Tensor) -> tuple[Any, PassValues]:
        """Run the model on images; return its output, and what the pass gave."""
        self._taken = taken = PassValues()
        self._running = True
        try:
            output = feed(self._model, images)
        finally:
            self._running = False  # what follows is of the passes of another capture
        return output, taken

    def _watches(self, place: RecordedPlace) -> bool:
        """Tell whether the operands of an owner's multiplications are needed for a place."""
        return place.count is not None and _needs_product(place)

    def _averages(self, place: RecordedPlace) -> bool:
        """Tell whether a place needs the averages of the features that its owner multiplies."""
        return _features_from_product(place)

    def _hook(self, place: RecordedPlace, hooks: Hooks) -> None:
        modules = self._modules
        if place.hook is not None:
            keep = partial(self._keep_gate, place)
            hooks.after(modules[place.hook], partial(self._output, keep))
        if not place.gate.pooled or _features_from_product(place):
            return
        if place.squeeze is not None and self._in_single:
            name, as_output = place.squeeze
            take = partial(self._keep_squeeze, place)
        else:
            as_output = place.input_hook is not None
            name = place.input_hook or place.gate.owner
            take = partial(self._keep_features, place)
        if as_output:
            hooks.after(modules[name], partial(self._output, take))
        else:
            hooks.before(modules[name], partial(self._argument, take))

    def _output(
        self, keep: Callable[[Tensor], None], module: nn.Module, args: object, output: Tensor
    ) -> None:
        if self._running:
            keep(output)

    def _argument(
        self, keep: Callable[[Tensor], None], module: nn.Module, args: tuple[Any, ...]
    ) -> None:
        if self._running:
            keep(args[0])

    def _operands(self) -> Operands:
        by_owner = defaultdict(list)
        for place in filter(self._watches, self._places):
            by_owner[place.gate.owner].append(place)
        return Operands({
            owner: partial(self._see, owner, any(map(self._averages, places)))
            for owner, places in by_owner.items()
        })  # fmt: skip

    def _see(
        self, owner: str, averaged: bool, features: Tensor, operand: Tensor, shape: Shape
    ) -> None:
        if not self._running:
            return
        average = averaged and shape.spatial is None
        rows = _rows(operand, shape)
        product = ProductRows(rows, _average(features, shape) if average else None, shape)
        self._taken.products[owner].append(product)

    def _keep_gate(self, place: RecordedPlace, output: Tensor) -> None:
        self._taken.gates[place.gate.name].append(_rows(output, place.shape))

    def _keep_features(self, place: RecordedPlace, features: Tensor) -> None:
        self._taken.features[place.gate.name].append(_average(features, place.shape))

    def _keep_squeeze(self, place: RecordedPlace, average: Tensor) -> None:
        """Keep the average that the model computes, which saves reading its features again."""
        self._taken.features[place.gate.name].append(_rows(average, place.shape))


class CheckedCapture(Capture):
    """Read gates, and compare the values from hooks with the operands of the owners."""

    def run(self, images: Tensor) -> tuple[Any, PassValues]:
        """Run the model on images; return its output, and what the pass gave.

        Raises
        ------
        ModelError
            If a hook gives something else than the gate that is multiplied.
        """
        output, taken = super().run(images)
        self._check(taken)
        return output, taken

    def _watches(self, place: RecordedPlace) -> bool:
        return place.count is not None

    def _averages(self, place: RecordedPlace) -> bool:
        return place.gate.pooled

    def _check(self, taken: PassValues) -> None:
        for place in filter(self._watches, self._places):
            name, owner = place.gate.name, place.gate.owner or "the model"
            products = taken.products_like(place)[place.count :: place.period]
            gates, features = taken.gates[name], taken.features[name]
            if not products and (place.hook or features):
                raise ModelError(
                    f"{owner!r} must multiply by the gate {name!r} in every pass, and did not; "
                    "leave it out with gates=[...]"
                )
            if place.hook and not _same(_joined(gates), _joined([p.gate for p in products])):
                raise ModelError(
                    f"the gate {name!r} must be what {owner!r} multiplies by, and differs; leave "
                    "it out with gates=[...]"
                )
            averages = [p.features for p in products if p.features is not None]
            if features and not _same(_joined(features), _joined(averages), tolerance=_CASTS):
                raise ModelError(
                    f"the input of {name!r} must be what {owner!r} multiplies, and differs: the "
                    "model changes it out of sight; record without inputs (inputs=False), or leave "
                    "it out with gates=[...]"
                )


def _rows(gate: Tensor, shape: Shape) -> Tensor:
    """Return a copy of a gate as rows of as many values as it has per image, or of maps."""
    height, width = shape.spatial or (1, 1)
    gate, length = unrepeated(_plain(gate)), shape.channels * height * width
    if gate.numel() % length:
        raise ModelError(
            f"a gate must have {length} values per image, as when its gates were found, got "
            f"{tuple(gate.shape)}: their number depends on the number of images; give batches of "
            "the size of the example"
        )
    if gate.is_complex():
        if gate.imag.any():
            raise ModelError("a gate must be real to be recorded, got complex numbers; "
                             "leave it out with gates=[...]")  # fmt: skip
        gate = gate.real
    return gate.reshape(-1, length).clone()


def _average(features: Tensor, shape: Shape) -> Tensor:
    """Average features over places; for complex features, such as spectra, average magnitudes."""
    values = _plain(features)
    return pooled(values.abs() if values.is_complex() else values, shape)


def _computes_in_single(model: nn.Module) -> bool:
    """Tell whether a network computes in float32, so that its own averages are as precise as ours.

    It may have computed in float32 when its gates were found, and in half precision now.
    """
    device = device_of(model)
    formats = {p.dtype for p in model.parameters() if p.is_floating_point()}
    autocast = torch.is_autocast_enabled("cpu" if device is None else device.type)
    return not autocast and formats <= {torch.float32}


def _plain(tensor: Tensor) -> Tensor:
    """Return the values alone of a tensor, which may be of a subclass or have gradients."""
    if type(tensor) is Tensor and not tensor.requires_grad:
        return tensor
    return tensor.detach().as_subclass(Tensor)


def _joined(blocks: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(blocks) or [torch.empty(0)])


def _same(came: Tensor, multiplied: Tensor, tolerance: float = 0.0) -> bool:
    """Tell whether rows are the same, but for a cast, and for each coming several times.

    The tolerance is relative to the largest number.
    """
    if came.dtype != multiplied.dtype:  # a gate may be cast before it multiplies
        came = came.to(multiplied.dtype)
    times, odd = divmod(len(multiplied), len(came)) if len(came) else (0, 1)
    if odd or came.shape[1:] != multiplied.shape[1:]:
        return False
    size = torch.nan_to_num(multiplied, 0.0, 0.0, 0.0).abs().max().item() if tolerance else 0.0
    ways = (came.repeat_interleave(times, 0), came.repeat(times, 1))
    return any(
        torch.isclose(way, multiplied, rtol=0, atol=tolerance * size, equal_nan=True).all()
        for way in ways
    )


def _needs_product(place: RecordedPlace) -> bool:
    return place.hook is None or _features_from_product(place)


def _features_from_product(place: RecordedPlace) -> bool:
    """Tell whether the features are wanted and no hook sees them."""
    return place.gate.pooled and place.input_hook is None and not place.first_argument
