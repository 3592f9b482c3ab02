"""What an intervention leaves behind in a model, its copies and its compiled form: nothing."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from patched import kept_in, network, of_functions, same
from torch import Tensor

import stripe
from stripe.gates import find_gates


@pytest.mark.parametrize("make", [lambda: network("se"), of_functions])
def test_no_trace_is_left_after_success_and_after_an_error(make: Any, batch: Tensor) -> None:
    model = make()
    expected, keys = model(batch), {n: set(vars(m)) for n, m in model.named_modules()}
    with stripe.intervene(model, "zero"):
        model(batch)
    with pytest.raises(RuntimeError), stripe.intervene(model, "zero"):
        model(batch[..., :0])
    with (
        pytest.raises(ZeroDivisionError),
        stripe.intervene(model, lambda values: values / (1 // 0)),
    ):
        model(batch)
    assert {n: set(vars(m)) for n, m in model.named_modules()} == keys
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert same(model(batch), expected)


@pytest.mark.parametrize("make", [lambda: network("se"), of_functions])
def test_a_copy_made_meanwhile_is_itself_again_afterwards(make: Any, batch: Tensor) -> None:
    model = make()
    with stripe.intervene(model, "zero"):
        other, inside = copy.deepcopy(model), model(batch)
        assert same(other(batch), inside)
        for parameter in other.parameters():
            parameter.data.mul_(2)
        assert not same(other(batch), inside)
    assert not same(other(batch), inside)
    for parameter in other.parameters():
        parameter.data.div_(2)
    torch.testing.assert_close(other(batch), model(batch))


def test_under_autocast_the_replacement_has_the_gates_format(batch: Tensor) -> None:
    model = network("se").float()
    seen: list[Tensor] = []
    gate = find_gates(model, batch.float())[0].name
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        stripe.intervene(model, np.full(16, 0.3), gates=gate),
        stripe.intervene(model, kept_in(seen), gates=gate),
    ):
        model(batch.float())
    assert seen[0].dtype == torch.bfloat16
    assert float(seen[0].max()) == pytest.approx(0.3, abs=2e-3)


@pytest.mark.slow
@torch.no_grad()
def test_a_compiled_model_runs_with_its_gates_replaced(batch: Tensor) -> None:
    model = network("se")
    with stripe.intervene(model, "zero"):
        expected = model(batch)
    compiled: Any = torch.compile(model, backend="eager")
    compiled(batch)
    with stripe.intervene(compiled, "zero"):
        assert same(compiled(batch), expected)
    assert same(compiled(batch), model(batch))
