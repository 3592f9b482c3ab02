"""A model that raises in any of its modules, early or late: nothing is left behind."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from interrupted import IMAGES, network, state
from torch import nn

import stripe
from stripe.errors import StripeError
from stripe.intervene.ablate import ablate
from stripe.robustness import attack

pytestmark = pytest.mark.slow

LABELS = torch.arange(64) % 3
BATCHES = [(IMAGES[:16], LABELS[:16]), (IMAGES[16:32], LABELS[16:32])]


class BrokenError(Exception):
    """Raised by a module."""


@contextmanager
def raising(module: nn.Module, after: int) -> Iterator[list[int]]:
    """Let a module raise once it was called so often; yield the numbers of the calls that did."""
    calls, raised = itertools.count(), []

    def broken(*_: Any) -> None:
        if (number := next(calls)) >= after:
            raised.append(number)
            raise BrokenError

    hook = module.register_forward_pre_hook(broken)  # which a copy of the module has, too
    try:
        yield raised
    finally:
        hook.remove()


def record(model: nn.Module, folder: Path) -> None:
    path = folder / "r"
    try:
        stripe.record(model, BATCHES, path, progress=False)
    finally:
        assert not path.exists() or stripe.open_recording(path).epochs == [0]


def intervene(model: nn.Module, folder: Path) -> None:
    with stripe.intervene(model, "shuffle", example=IMAGES[:2]):
        for images, _ in BATCHES:
            model(images)


@cache
def means() -> dict[str, list[float]]:
    """Return a constant for each gate, from a network that does not raise."""
    with torch.random.fork_rng([]):
        found = stripe.find_gates(network(), IMAGES[:2])
    return {gate.name: [0.5] * gate.channels for gate in found}


CALLS: dict[str, Callable[[nn.Module, Path], object]] = {
    "record": record,
    "find_gates": lambda model, _: stripe.find_gates(model, IMAGES[:2]),
    "freeze": lambda model, _: stripe.freeze(model, means(), example=IMAGES[:2]),
    "mean_cam": lambda model, _: stripe.mean_cam(model, BATCHES, "2", progress=False),
    "intervene": intervene,
    "ablate": lambda model, _: ablate(
        model, BATCHES, means(), ["mean", "zero"], example=IMAGES[:2], progress=False
    ),
    "sensitivity": lambda model, _: stripe.sensitivity(
        model, BATCHES, means(), draws=1, example=IMAGES[:2], progress=False
    ),
    "attack": lambda model, _: attack(model, BATCHES, ["random:0.3,0.3"], progress=False),
    "audit": lambda model, folder: stripe.audit(
        model, BATCHES, folder / "report.html", rounds=1, progress=False
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_model_that_raises_in_each_module(
    name: str, tmp_path: Path, times: Callable[[int, int], int]
) -> None:
    """Each module in turn, at its first call and at later ones."""
    torch.manual_seed(0)
    model, met = network(), set()
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    for number, (place, module) in enumerate(model.named_modules()):
        for after in (0, 1, 2, 4)[: times(1, 4)] if number % 2 else (1, 2, 4, 0)[: times(1, 4)]:
            folder, before = tmp_path / f"{number}-{after}", state(model)
            folder.mkdir()
            with raising(module, after) as raised:
                said = None
                try:
                    CALLS[name](model, folder)
                except (BrokenError, StripeError) as error:
                    said = error
            # An error comes out if, and only if, a module raised one.
            assert bool(raised) == (said is not None), (place, after, said)
            assert state(model) == before, (place, after)
            if name != "intervene":  # where the caller runs it, in training
                found = model.state_dict()
                assert [key for key in kept if not torch.equal(kept[key], found[key])] == []
            met |= {place} if raised else set()
    print(f"{name}: {len(met)} modules raised")  # noqa: T201
    assert len(met) > 10  # some calls run the model once
