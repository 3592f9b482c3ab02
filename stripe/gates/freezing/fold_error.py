"""Compare a folded network with its unfolded version, at the tensors beside each gate."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stripe.asr.difference import random_like, relative_difference
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.feed import feed
from stripe.modules.hooked import hooked
from stripe.modules.tensors import tensors_in
from stripe.modules.unwrap import modules_by_name

#: A module may average values that cancel, such as those of an instance norm, so that its output is
#: rounding alone. Differences are relative to this share of the module's input, at least.
_SHARE = 0.01


class _Call(NamedTuple):
    """The tensors that a module returned, and the largest absolute value of its inputs."""

    outputs: list[Tensor]
    largest: float


#: The calls of modules in one pass, by name.
_Seen = dict[str, list[_Call]]


def differences(
    constant: nn.Module,
    folded: nn.Module,
    beside: Mapping[str, Collection[str]],
    example: Tensor,
) -> dict[str, float]:
    """Return the largest difference at the tensors next to each gate, relative to their largest.

    If the largest output of a module is less than a hundredth of its largest input, the difference
    is relative to this hundredth.

    Parameters
    ----------
    constant, folded
        The networks. Both take the same random images, and start from the same seed.
    beside
        Mapping from gates to the names of the modules whose outputs must agree; "" is the network.
    example
        Images whose shape and dtype the random images get.

    Returns
    -------
    dict
        The difference by gate. It is inf if the outputs differ in shape, or a value is finite in
        only one of them, and nan if there was nothing to compare.
    """
    names = {name for several in beside.values() for name in several}
    images = random_like(example)
    expected, came = (_outputs(network, names, images) for network in (constant, folded))
    errors = {name: _difference(expected.get(name, []), came.get(name, [])) for name in names}
    return {gate: _largest([errors[name] for name in several]) for gate, several in beside.items()}


def _outputs(model: nn.Module, names: set[str], images: Tensor) -> _Seen:
    seen: _Seen = {}
    modules = modules_by_name(model)
    with (
        interrupts_held(),
        hooked(modules, {name: partial(_keep, seen, name) for name in names & modules.keys()}),
        torch.random.fork_rng(devices=_devices(images)),
        interrupts_allowed(),
    ):
        torch.manual_seed(0)
        feed(model, images)
    return seen


def _keep(seen: _Seen, name: str, module: nn.Module, args: Any, output: Any) -> None:
    # Values may be changed in place afterwards, by a ReLU for instance.
    tensors = [tensor.detach().clone() for tensor in tensors_in(output)]
    given = [t for t in tensors_in(args) if t.is_floating_point() and t.numel()]
    largest = max((float(t.abs().nan_to_num(0, 0).max()) for t in given), default=0.0)
    seen.setdefault(name, []).append(_Call(tensors, largest))


def _difference(expected: list[_Call], came: list[_Call]) -> float:
    if [len(call.outputs) for call in expected] != [len(call.outputs) for call in came]:
        return float("inf") if expected and came else float("nan")
    return _largest([
        relative_difference(*pair, least=max(_SHARE * before.largest, 1e-30))
        for before, after in zip(expected, came, strict=True)
        for pair in zip(before.outputs, after.outputs, strict=True)
    ])  # fmt: skip


def _largest(errors: list[float]) -> float:
    """Return the largest difference, or nan if nothing was compared."""
    compared = [error for error in errors if error == error]
    return max(compared, default=float("nan"))


def _devices(images: Tensor) -> list[torch.device]:
    return [images.device] if images.device.type == "cuda" else []
