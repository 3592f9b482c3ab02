"""Graphs of torch.fx and torch.export are rewritten without the squeeze."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, fx, nn

import stripe
from stripe import find_gates

BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "mobilenet_v3_small": torchvision.models.mobilenet_v3_small,
    "seresnet18": lambda: timm.create_model("seresnet18"),
    "skresnet18": lambda: timm.create_model("skresnet18"),
}


def exported(model: nn.Module, x: Tensor) -> nn.Module:
    return torch.export.export(model, (x,)).module()


def traced(model: nn.Module, x: Tensor) -> nn.Module:
    return fx.symbolic_trace(model)


@pytest.mark.slow
@pytest.mark.parametrize("make", [traced, exported])
@pytest.mark.parametrize("name", BUILDERS)
def test_a_graph_is_frozen_as_the_model_is(name: str, make: Callable[..., nn.Module]) -> None:
    torch.manual_seed(0)
    model = BUILDERS[name]().eval()
    x = torch.randn(2, 3, 64, 64)
    rng = np.random.default_rng(0)
    vectors = [rng.uniform(0.1, 0.9, gate.channels) for gate in find_gates(model, x)]
    by_name = {g.name: v for g, v in zip(find_gates(model, x), vectors, strict=True)}
    expected: Any = stripe.freeze(model, by_name, example=x)
    part = make(model, x)
    by_name = {g.name: v for g, v in zip(find_gates(part, x), vectors, strict=True)}
    state = copy.deepcopy(part.state_dict())
    frozen: Any = stripe.freeze(part, by_name, example=x)
    assert frozen.report["frozen"].all()
    assert frozen.report["folded"].tolist() == expected.report["folded"].tolist()
    with torch.no_grad():
        torch.testing.assert_close(frozen.model(x), expected.model(x), rtol=1e-3, atol=1e-4)
    before, after = sizes(part), sizes(frozen.model)
    assert after["sigmoids"] == 0
    assert after["parameters"] < before["parameters"]
    assert all(torch.equal(tensor, state[key]) for key, tensor in part.state_dict().items())
    constant = stripe.freeze(part, by_name, example=x, fold=False)
    assert sizes(constant.model)["parameters"] == after["parameters"]
    with torch.no_grad():
        torch.testing.assert_close(constant.model(x), expected.model(x), rtol=1e-3, atol=1e-4)


def sizes(part: Any) -> dict[str, int]:
    targets = [str(node.target) for node in part.graph.nodes]
    gates = sum("sigmoid" in target or "softmax" in target for target in targets)
    return {"sigmoids": gates, "parameters": sum(p.numel() for p in part.parameters())}


class Sized(nn.Module):
    """Numbers are multiplied beside tensors, and the gate's squeeze changes in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.fc = nn.Conv2d(8, 8, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Any:
        y = self.conv(x)
        area = y.size(2) * y.size(3)
        v = torch.sigmoid(self.relu(self.fc(y.sum((2, 3), keepdim=True) / area)))
        y *= v
        return y * 2


def test_products_of_numbers_do_not_count() -> None:
    x, v = torch.randn(2, 3, 6, 6), torch.linspace(0.1, 0.9, 8)
    model: Any = Sized().eval()
    part = traced(model, x)
    (gate,) = find_gates(part, x)
    frozen: Any = stripe.freeze(part, {gate.name: v}, example=x)
    assert frozen.report["into"].tolist() == ["conv"]
    assert set(frozen.model.state_dict()) == {"conv.weight", "conv.bias"}
    with torch.no_grad():
        torch.testing.assert_close(frozen.model(x), 2 * model.conv(x) * v.view(1, -1, 1, 1))


def test_an_exported_program_is_taken_as_it_is() -> None:
    x, v = torch.randn(2, 3, 6, 6), torch.linspace(0.1, 0.9, 8)
    model: Any = Sized().eval()
    program = torch.export.export(model, (x,))
    (gate,) = find_gates(program.module(), x)
    frozen: Any = stripe.freeze(program, {gate.name: v}, example=x)
    assert frozen.report["into"].tolist() == ["conv.weight, conv.bias"]
    with torch.no_grad():
        torch.testing.assert_close(frozen.model(x), 2 * model.conv(x) * v.view(1, -1, 1, 1))
