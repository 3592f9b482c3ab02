"""Products that look like those of gates, and from which none can be recorded, are named."""

import warnings
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import stripe

Scale = Callable[[Tensor, Tensor], Tensor]

_MISSED: dict[str, tuple[Scale, str]] = {
    "repeat": (lambda x, v: x * v.repeat(1, 1, *x.shape[2:]), "copied to every place"),
    "tile": (lambda x, v: v.tile(1, 1, *x.shape[2:]) * x, "copied to every place"),
    "interpolate": (
        lambda x, v: x * F.interpolate(v, size=x.shape[2:], mode="nearest"),
        "copied to every place",
    ),
    "bilinear": (
        lambda x, v: x * (1 - F.interpolate(v, size=x.shape[2:], mode="bilinear")),
        "copied to every place",
    ),
    "contiguous": (lambda x, v: x * v.expand_as(x).contiguous(), "copied to every place"),
    "lerp": (lambda x, v: torch.lerp(torch.zeros_like(x), x, v), "torch.lerp"),
    "division": (lambda x, v: x / (1 + v), "division"),
    "foreach": (lambda x, v: torch._foreach_mul([x], [v])[0], "_foreach_mul"),
}

_NO_GATE: dict[str, Scale] = {
    "gate": lambda x, v: x * v,
    "expanded": lambda x, v: x * v.expand_as(x),
    "swish": lambda x, v: x * x.sigmoid(),
    "instance norm": lambda x, v: x / x.std((2, 3), keepdim=True),
    "softmax over places": lambda x, v: x * x.flatten(2).softmax(2).view_as(x),
    "upsampled maps": lambda x, v: x * F.interpolate(F.avg_pool2d(x, 2).sigmoid(), scale_factor=2),
}


class _Scaled(nn.Module):
    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self.conv, self.fc, self.scale = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 1), scale

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv(images)
        return self.scale(x, self.fc(x.mean((2, 3), keepdim=True)).sigmoid())


@pytest.mark.parametrize("name", _MISSED)
def test_a_gate_that_cannot_be_recorded_is_named(name: str) -> None:
    scale, how = _MISSED[name]
    with pytest.warns(UserWarning, match=f"'the model itself' scales channels .*{how}"):
        stripe.find_gates(_Scaled(scale), torch.rand(2, 3, 8, 8))


@pytest.mark.parametrize("name", _NO_GATE)
def test_other_products_are_not_named(name: str) -> None:
    with warnings.catch_warnings(action="error"):
        found = stripe.find_gates(_Scaled(_NO_GATE[name]), torch.rand(2, 3, 8, 8))
    assert len(found) == (name in ("gate", "expanded"))
