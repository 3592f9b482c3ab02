"""Models that cannot be frozen are refused in one line."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

import stripe
from stripe import find_gates
from stripe.errors import ModelError


def plain(device: str = "cpu") -> nn.Module:
    with torch.device(device):
        return timm.create_model("seresnet18").eval()


def locked() -> nn.Module:
    model = plain()
    vars(model.get_submodule("layer1.0"))["lock"] = threading.Lock()
    return model


def lazy() -> nn.Module:
    model = plain()
    model.fc = nn.LazyLinear(3)
    return model


class Keywords(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = plain()

    def forward(self, *, pixel_values: Tensor) -> Any:
        return self.network(pixel_values)


class FullyShardedDataParallel(nn.Module):
    """What torch's class of this name is known by."""

    def __init__(self) -> None:
        super().__init__()
        self.module = plain()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (locked, r"the attribute 'lock' of 'layer1\.0' is not \(cannot pickle"),
        (lazy, r"lazy before its first pass .* 'fc' is"),
        (lambda: plain("meta"), "'conv1.weight' is on the meta device; load"),
        (FullyShardedDataParallel, r"sharded \(FSDP\)"),
    ],
)
def test_what_cannot_be_frozen(build: Callable[[], nn.Module], message: str) -> None:
    x = torch.zeros(2, 3, 64, 64)
    means = {g.name: np.full(g.channels, 0.5) for g in find_gates(plain(), x)}
    with pytest.raises(ModelError, match=message) as raised:
        stripe.freeze(build(), means, example=x)
    assert "\n" not in str(raised.value)


def test_images_may_go_by_keyword() -> None:
    x = torch.randn(2, 3, 64, 64)
    model = Keywords().eval()
    means = {g.name: np.full(g.channels, 0.5) for g in find_gates(model, x)}
    frozen: Any = stripe.freeze(model, means, example=x)
    assert frozen.report["folded"].all()
    assert frozen.model(pixel_values=x).shape == (2, 1000)


class Response(nn.Module):
    """Global response normalisation: a factor per channel that is not bounded."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)

    def forward(self, x: Tensor) -> Any:
        y = self.stem(x)
        size = y.norm(p=2, dim=(2, 3), keepdim=True)
        return y * (size / size.mean(1, keepdim=True))


def test_a_recording_of_responses_is_refused_by_name(tmp_path: Path) -> None:
    model, x = Response().eval(), torch.randn(4, 3, 8, 8)
    (gate,) = find_gates(model, x, kinds=["response"])
    with stripe.Recorder(model, tmp_path / "r", x, gates=lambda gate: True) as recorder:
        recorder.record([x], 0)
    message = f"kinds gate, split, constant can be frozen, .* means of {gate.name!r}, a response"
    with pytest.raises(ModelError, match=message):
        stripe.freeze(model, tmp_path / "r")
