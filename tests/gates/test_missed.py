"""Products that look like those of gates, and from which none can be recorded, are named."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import stripe

Scale = Callable[[Tensor, Tensor], Tensor]

_MISSED: dict[str, tuple[Scale, str]] = {
    "repeat": (lambda x, v: x * v.repeat(1, 1, *x.shape[2:]), "functions copy to every place"),
    "tile": (lambda x, v: v.tile(1, 1, *x.shape[2:]) * x, "functions copy to every place"),
    "interpolate": (
        lambda x, v: x * F.interpolate(v, size=x.shape[2:], mode="nearest"),
        "functions copy to every place",
    ),
    "bilinear": (
        lambda x, v: x * (1 - F.interpolate(v, size=x.shape[2:], mode="bilinear")),
        "functions copy to every place",
    ),
    "contiguous": (lambda x, v: x * v.expand_as(x).contiguous(), "functions copy to every place"),
    "ones": (lambda x, v: x * (torch.ones_like(x) * v), "functions copy to every place"),
    "zeros": (lambda x, v: (v + torch.zeros_like(x)) * x, "functions copy to every place"),
    "a sequence": (
        lambda x, v: x.flatten(2).permute(2, 0, 1) * v.flatten(1),
        "first dimension is not that of the images",
    ),
    "a sequence of its own": (
        lambda x, v: v.flatten(1)[None] * x.flatten(2).permute(2, 0, 1),
        "first dimension is not that of the images",
    ),
    "planes": (lambda x, v: x.flatten(0, 1) * v.reshape(-1, 1, 1), "folded into the batch"),
    "flat planes": (
        lambda x, v: x.reshape(12, -1) * v.reshape(-1, 1),
        "folded into the batch",
    ),
    "lerp": (lambda x, v: torch.lerp(torch.zeros_like(x), x, v), "torch.lerp"),
    "division": (lambda x, v: x / (1 + v), "division"),
    "sigmoid by hand": (lambda x, v: x / (1 + torch.exp(-v.logit())), "division"),
    "numpy": (lambda x, v: x * torch.from_numpy(v.numpy(force=True)), "torch did not compute"),
    "foreach": (lambda x, v: torch._foreach_mul([x], [v])[0], "_foreach_mul"),
}

_NO_GATE: dict[str, Scale] = {
    "gate": lambda x, v: x * v,
    "gain": lambda x, v: x * v * 2,
    "expanded": lambda x, v: x * v.expand_as(x),
    "swish": lambda x, v: x * x.sigmoid(),
    "instance norm": lambda x, v: x / x.std((2, 3), keepdim=True),
    "softmax over places": lambda x, v: x * x.flatten(2).softmax(2).view_as(x),
    "stochastic depth": lambda x, v: x * v[:, :1],
    "frames": lambda x, v: torch.cat([x, x]) * torch.cat([v, v])[:, :1],
    "tokens": lambda x, v: x.flatten(2) * x.flatten(2).mean(1, keepdim=True).sigmoid(),
    "a matrix": lambda x, v: v.flatten(1)[:, None] * v.flatten(1)[:, :, None],
    "the images of a batch": lambda x, v: x * v.mean(0, keepdim=True)[:, :1],
    "channels of one image": lambda x, v: x + x[0] * v[0],
    "shifted swish": lambda x, v: x * (x + torch.ones_like(x)).sigmoid(),
    "upsampled maps": lambda x, v: x * F.interpolate(F.avg_pool2d(x, 2).sigmoid(), scale_factor=2),
}


class _Scaled(nn.Module):
    def __init__(self, scale: Scale, module: bool = False) -> None:
        super().__init__()
        self.conv, self.fc, self.scale = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 1), scale
        self.gate = nn.Sigmoid() if module else torch.sigmoid

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv(images)
        return self.scale(x, self.gate(self.fc(x.mean((2, 3), keepdim=True))))


@pytest.mark.parametrize("name", _MISSED)
def test_a_gate_that_cannot_be_recorded_is_named(name: str) -> None:
    scale, how = _MISSED[name]
    with pytest.warns(UserWarning, match=f"'the model itself' scales channels .*{how}"):
        stripe.find_gates(_Scaled(scale), torch.rand(2, 3, 8, 8))


@pytest.mark.parametrize(
    "scale", [lambda x, v: x * v / 6, lambda x, v: x * v * (1 / 6)], ids=["div", "mul"]
)
def test_a_constant_behind_the_product_is_named(scale: Scale) -> None:
    with pytest.warns(UserWarning, match=r"of a gate by 0\.166667, which the recorded gate lacks"):
        stripe.find_gates(_Scaled(scale).eval(), torch.randn(2, 3, 8, 8))


@pytest.mark.parametrize("count", [2, 3])
def test_a_loop_over_images_without_their_dimension_is_named(count: int) -> None:
    def alone(x: Tensor, v: Tensor) -> Tensor:
        return torch.stack([image * gate for image, gate in zip(x, v, strict=True)])

    with pytest.warns(UserWarning, match="'the model itself' gates one image .* at a time"):
        assert not stripe.find_gates(_Scaled(alone), torch.rand(count, 3, 8, 8))


@pytest.mark.parametrize("name", ["repeat", "tile", "interpolate", "contiguous"])
def test_a_copied_gate_that_a_module_puts_out_is_recorded_and_frozen(
    name: str, tmp_path: Path
) -> None:
    model = _Scaled(_MISSED[name][0], module=True).eval()
    images = torch.rand(5, 3, 8, 8)
    with warnings.catch_warnings(action="error"):
        (gate,) = stripe.find_gates(model, images)
    assert (gate.name, gate.layout, gate.channels) == ("gate", "NC11", 6)
    loader = DataLoader(TensorDataset(images), batch_size=4)
    recording = stripe.record(model, loader, tmp_path / "r", progress=False)
    with torch.no_grad():
        expected = model.gate(model.fc(model.conv(images).mean((2, 3), keepdim=True)))
        recorded = torch.tensor(recording.values("gate"))
        assert torch.allclose(recorded, expected.flatten(1), atol=1e-6)
        frozen = stripe.freeze(model, recording, example=images).model
        mean = expected.mean(0, keepdim=True)
        assert torch.allclose(frozen(images), model.conv(images) * mean, atol=1e-6)


@pytest.mark.parametrize("name", _NO_GATE)
def test_other_products_are_not_named(name: str) -> None:
    with warnings.catch_warnings(action="error"):
        found = stripe.find_gates(_Scaled(_NO_GATE[name]), torch.rand(2, 3, 8, 8))
    assert len(found) == (name in ("gate", "gain", "expanded"))
