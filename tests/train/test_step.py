"""The steps of the optimizers, worked out by hand."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from stripe import StripeError
from stripe.train import TrainConfig, list_recipes, precision, recipe
from stripe.train.precision import native_precision, with_precision
from stripe.train.run import open_run
from stripe.train.step import make_optimizer

SGD = TrainConfig(lr=0.1, momentum=0.9, weight_decay=0.0)


def two_steps(config: TrainConfig) -> float:
    """Return a weight that begins at 0 after two steps along a gradient of 1."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    optimizer = make_optimizer(config, layer)
    for _ in range(2):
        layer.weight.grad = torch.ones_like(layer.weight)
        optimizer.step()
    return layer.weight.item()


def test_momentum_is_plain_unless_nesterov_is_asked_for() -> None:
    # The velocity is 1, then 1.9; Nesterov looks ahead and steps along 1.9, then 2.71.
    assert two_steps(SGD) == pytest.approx(-0.1 * (1 + 1.9))
    assert two_steps(replace(SGD, nesterov=True)) == pytest.approx(-0.1 * (1.9 + 2.71))


@pytest.mark.parametrize("name", list_recipes())
def test_the_recipes_have_plain_momentum(name: str) -> None:
    assert not recipe(name).nesterov


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(StripeError, match="nesterov needs a momentum"):
        TrainConfig(nesterov=True, momentum=0.0)


def test_auto_is_what_the_device_computes_natively(tmp_path: Path) -> None:
    cpu, config = torch.device("cpu"), replace(SGD, out=tmp_path)
    native = native_precision(cpu)
    assert with_precision(config, cpu, resume=False).precision == native
    fixed = replace(config, precision=native)
    assert with_precision(fixed, cpu, resume=False) == fixed


@pytest.mark.parametrize(("native", "warned"), [("bf16", False), ("fp32", True)])
def test_a_device_that_emulates_the_precision_of_a_run_is_told(
    native: str, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "native_precision", lambda _: native)
    fixed = replace(SGD, out=tmp_path, precision="bf16")
    with pytest.warns(UserWarning, match="this CPU has no AVX-512") if warned else nullcontext():
        assert with_precision(fixed, torch.device("cpu"), resume=False) == fixed


@pytest.mark.parametrize("other", ["bf16", "fp32"])
def test_a_resumed_run_keeps_its_precision(
    other: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = torch.device("cpu")
    begun = TrainConfig(out=tmp_path / "run", precision=other)
    open_run(begun, resume=False)
    native = {"bf16": "fp32", "fp32": "bf16"}[other]  # that of another kind of machine
    monkeypatch.setattr(precision, "native_precision", lambda _: native)
    warned = pytest.warns(UserWarning, match="bfloat16") if other == "bf16" else nullcontext()
    with warned:
        resumed = with_precision(replace(begun, precision="auto"), cpu, resume=True)
    assert resumed == begun
    open_run(resumed, resume=True)
