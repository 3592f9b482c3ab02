"""Hooks that take gates, and what they multiply, from a running model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from stripe.errors import ModelError
from stripe.gates.find import Place
from stripe.gates.layout import pooled
from stripe.hooks.buffer import Buffer
from stripe.hooks.operands import Operands, unrepeated
from stripe.interrupts import interrupts_held
from stripe.recording import Gate
from stripe.recording.schema import gate_column, input_column, spatial_column


def value_column(gate: Gate) -> str:
    """Return the column that holds what a gate puts out."""
    return spatial_column(gate.name) if gate.kind == "spatial" else gate_column(gate.name)


def column_lengths(gates: Sequence[Gate]) -> dict[str, int]:
    """Return the numbers per image of every column of `gates`."""
    lengths = {}
    for gate in gates:
        height, width = gate.spatial or (1, 1)
        lengths[value_column(gate)] = gate.channels * height * width
        if gate.pooled:
            lengths[input_column(gate.name)] = gate.channels
    return lengths


class Capture:
    """Fill a buffer with the gates of every batch.

    A gate is the output of a module, and what it multiplies the output of another, or the first
    argument of its owner: plain forward hooks. Where no module puts one out, the operands of the
    owner's multiplication are taken. In the first batch the operands are looked at in any case, and
    compared with what the hooks gave.
    """

    def __init__(
        self, places: Sequence[Place], modules: Mapping[str, nn.Module], buffer: Buffer
    ) -> None:
        self._places = places
        self._modules = modules
        self._buffer = buffer
        self._checked = False
        self._expected: dict[str, Tensor] = {}
        self._operands = Operands({})
        self._watching = ExitStack()

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Keep hooks on the model; they are gone afterwards, whatever happens."""
        with ExitStack() as hooks, self._watching:
            for place in self._places:
                self._hook(place, hooks)
            self._watch_operands()
            yield

    @contextmanager
    def batch(self, images: int) -> Iterator[None]:
        """Capture one forward pass over `images` images."""
        self._buffer.start(images)
        self._operands.start()
        yield
        if not self._checked:
            self._check()
            with interrupts_held():
                self._watching.close()
                self._watch_operands()

    def _hook(self, place: Place, hooks: ExitStack) -> None:
        modules = self._modules
        if place.hook is not None:
            keep = partial(_output, partial(self._keep_gate, place))
            hooks.callback(modules[place.hook].register_forward_hook(keep).remove)
        if not place.gate.pooled:
            return
        take = partial(self._keep_features, place)
        if place.input_hook is not None:
            producer = modules[place.input_hook]
            hooks.callback(producer.register_forward_hook(partial(_output, take)).remove)
        elif place.first_argument:
            owner = modules[place.gate.owner]
            hooks.callback(owner.register_forward_pre_hook(partial(_argument, take)).remove)

    def _watch_operands(self) -> None:
        """Watch the multiplications that hooks miss, and in the first batch all."""
        self._operands = Operands({
            (place.gate.owner, place.count): partial(self._see, place)
            for place in self._places
            if place.count is not None and (not self._checked or self._needs_operands(place))
        })  # fmt: skip
        self._watching.enter_context(self._operands.hooked(self._modules))

    @staticmethod
    def _needs_operands(place: Place) -> bool:
        return place.hook is None or _features_from_product(place)

    def _see(self, place: Place, features: Tensor, operand: Tensor) -> None:
        if place.hook is None:
            self._keep_gate(place, operand)
        else:
            self._expected[place.gate.name] = operand.detach().flatten(1)
        if _features_from_product(place):
            self._keep_features(place, features)

    def _keep_gate(self, place: Place, output: Tensor) -> None:
        self._buffer.fill(value_column(place.gate), unrepeated(output.detach()).flatten(1))

    def _keep_features(self, place: Place, features: Tensor) -> None:
        self._buffer.fill(input_column(place.gate.name), pooled(features.detach(), place.shape))

    def _check(self) -> None:
        """Compare what the hooks gave with what was multiplied, once."""
        for place in self._places:
            expected = self._expected.get(place.gate.name)
            if place.hook is None or place.count is None:
                continue
            if expected is None:
                raise ModelError(
                    f"{place.gate.owner or 'the model'!r} must multiply by the gate "
                    f"{place.gate.name!r} in every pass, and did not; leave it out with gates=[...]"
                )
            came = self._buffer.block(value_column(place.gate))
            rounded = came.to(expected.dtype)  # a gate may be cast before it multiplies
            same = torch.isclose(rounded, expected, rtol=0, atol=0, equal_nan=True)
            if not same.all():
                raise ModelError(
                    f"the gate {place.gate.name!r} must be what {place.gate.owner!r} multiplies "
                    "by, and differs; leave it out with gates=[...]"
                )
        self._checked = True
        self._expected = {}


def _features_from_product(place: Place) -> bool:
    """Tell whether the features are wanted and no hook sees them."""
    return place.gate.pooled and place.input_hook is None and not place.first_argument


def _output(
    keep: Callable[[Tensor], None], module: nn.Module, args: object, output: Tensor
) -> None:
    keep(output)


def _argument(keep: Callable[[Tensor], None], module: nn.Module, args: tuple[Tensor, ...]) -> None:
    keep(args[0])
