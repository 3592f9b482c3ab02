"""Gates over groups of channels that a module folds into the batch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe import find_gates

GROUPS = 2


class ShuffleAttention(nn.Module):
    """The channel branch of shuffle attention: a gate of half of each group of channels.

    References
    ----------
    Zhang and Yang, "SA-Net: Shuffle Attention for Deep Convolutional Neural Networks", 2021.
    """

    constant: Tensor | None = None

    def __init__(self, channels: int) -> None:
        super().__init__()
        each = channels // (2 * GROUPS)
        self.weight, self.bias = (nn.Parameter(torch.randn(1, each, 1, 1)) for _ in range(2))
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Any:
        b, c, h, w = x.shape
        gated, rest = x.reshape(b * GROUPS, -1, h, w).chunk(2, 1)
        v = self.gate(self.weight * gated.mean((2, 3), keepdim=True) + self.bias)
        if self.constant is not None:
            v = self.constant.reshape(GROUPS, -1, 1, 1).repeat(b, 1, 1, 1)
        return torch.cat([gated * v, rest], 1).reshape(b, c, h, w)


def network() -> Any:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 8, 3, padding=1), ShuffleAttention(8), nn.Conv2d(8, 4, 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def images() -> Tensor:
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [1, 2, 4])
def test_every_channel_of_an_image_is_recorded(size: int, tmp_path: Path) -> None:
    model, x = network(), images()
    seen: list[Tensor] = []
    with torch.no_grad(), model[1].gate.register_forward_hook(lambda m, a, v: seen.append(v)):
        halves = model[0](x).reshape(6, GROUPS, 2, 2, 8, 8)[:, :, 0]  # (image, group, c, h, w)
        model(x)
    recording = stripe.record(model, list(x.split(size)), tmp_path / "r", progress=False)
    (gate,) = recording.gates["name"]
    assert recording.gates["channels"].tolist() == [4]
    np.testing.assert_allclose(recording.values(gate, 0), seen[0].reshape(6, 4), atol=1e-6)
    pooled = halves.mean((3, 4)).reshape(6, 4)
    np.testing.assert_allclose(recording.inputs(gate, 0), pooled, atol=1e-6)


def test_it_is_replaced_but_not_frozen() -> None:
    model, x, v = network(), images(), torch.tensor([0.1, 0.3, 0.6, 0.9])
    (gate,) = find_gates(model, x)
    with torch.no_grad():
        with stripe.intervene(model, v, example=x):
            came = model(x)
        kept = stripe.freeze(model, {gate.name: v.numpy()}, example=x)
        torch.testing.assert_close(kept.model(x), model(x))
        model[1].constant = v
        torch.testing.assert_close(came, model(x))
    assert kept.report["frozen"].tolist() == [False]
    assert "groups of channels that are folded into the batch" in kept.report["reason"][0]


class Frames(nn.Module):
    """A network of frames that come side by side in the channels of a clip."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()
        self.net[1] = stripe.Gated(nn.Identity(), stripe.attention.SE(8))

    def forward(self, clip: Tensor) -> Any:
        return self.net(clip.reshape(-1, 3, *clip.shape[2:])).reshape(len(clip), -1, 4).mean(1)


def test_frames_are_no_channels() -> None:
    (gate,) = find_gates(Frames(), images().reshape(2, 9, 8, 8))
    assert (gate.channels, gate.per_image_values) == (8, 3)
