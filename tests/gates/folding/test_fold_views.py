"""Constants fold past the view of the features that a gate multiplies: groups, or an einsum."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe import find_gates


class GroupGate(nn.Module):
    """Do nothing but gate groups of channels, over a view of what comes in."""

    def __init__(self, *, module: bool) -> None:
        super().__init__()
        self.gate = nn.Sigmoid() if module else torch.sigmoid

    def forward(self, x: Tensor) -> Any:
        groups = x.view(len(x), 4, -1, *x.shape[2:])
        return (groups * self.gate(groups.mean((2, 3, 4), keepdim=True))).view(x.shape)


@pytest.mark.parametrize("module", [True, False])
@pytest.mark.parametrize("fold", [True, False])
def test_a_module_that_gates_a_view(module: bool, fold: bool) -> None:
    net: Any = nn.Sequential(nn.Conv2d(3, 8, 3), GroupGate(module=module), nn.SiLU()).eval()
    x = torch.randn(2, 3, 8, 8)
    (found,) = find_gates(net, x)
    v = torch.linspace(0.2, 0.8, found.channels)
    frozen: Any = stripe.freeze(net, {found.name: v}, example=x, fold=fold)
    assert frozen.report["into"].tolist() == ["0" if fold else ""]
    with torch.no_grad():
        expected = net[2](net[0](x) * v.repeat_interleave(2).view(1, -1, 1, 1))
    torch.testing.assert_close(frozen.model(x), expected, rtol=1e-4, atol=1e-5)


class Einsum(nn.Module):
    """Multiply by a gate with `torch.einsum`, which moves dimensions to where they already are."""

    def __init__(self, *, module: bool) -> None:
        super().__init__()
        self.gate = nn.Sigmoid() if module else torch.sigmoid

    def forward(self, x: Tensor) -> Any:
        return torch.einsum("bchw,bc->bchw", x, self.gate(x.mean((2, 3))))


def test_a_gate_in_an_einsum() -> None:
    x = torch.randn(4, 3, 10, 10)
    v = torch.linspace(0.2, 0.8, 8)
    net: Any = nn.Sequential(nn.Conv2d(3, 8, 3), Einsum(module=True), nn.SiLU()).eval()
    (found,) = find_gates(net, x)
    frozen: Any = stripe.freeze(net, {found.name: v}, example=x)
    assert frozen.report["into"].tolist() == ["0"]
    with torch.no_grad():
        expected = net[2](net[0](x) * v.view(1, -1, 1, 1))
    torch.testing.assert_close(frozen.model(x), expected, rtol=1e-4, atol=1e-5)
    net[1] = Einsum(module=False)
    (found,) = find_gates(net, x)
    frozen = stripe.freeze(net, {found.name: v}, example=x)
    assert frozen.report["frozen"].tolist() == [False]
    assert "write it as x * gate" in frozen.report["reason"][0]
