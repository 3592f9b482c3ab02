"""Recordings that differ in kind are drawn together, or refused in one line."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe import plots, stats
from stripe.errors import StripeError


class Squeezed(nn.Module):
    """Multiply features by a gate per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.linear(x.mean((2, 3))))[:, :, None, None]


class Mapped(nn.Module):
    """Multiply features by a spatial map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.conv(x))


def network(*gated: nn.Module, channels: int = 6) -> nn.Module:
    tail = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4))
    return nn.Sequential(nn.Conv2d(3, channels, 3), *gated, *tail).eval()


def broken() -> nn.Module:
    gate = Squeezed(6)
    nn.init.constant_(gate.linear.weight, float("nan"))
    return network(gate)


def usual() -> nn.Module:
    return network(Squeezed(6))


def _takes_several(function: Callable[..., Any]) -> bool:
    first = next(iter(inspect.signature(function).parameters.values()), None)
    return first is not None and re.search("Record.*Sequence", str(first.annotation)) is not None


#: The network of each recording, the options with which it is recorded, and how many images.
KINDS: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], int]] = {
    "usual": (usual, {}, 12),
    "wide": (lambda: network(Squeezed(9), channels=9), {}, 12),
    "two gates": (lambda: network(Squeezed(6), Squeezed(6)), {}, 12),
    "one image": (usual, {}, 1),
    "moments": (usual, {"values": False}, 12),
    "no inputs": (usual, {"inputs": False}, 12),
    "maps": (lambda: network(Mapped(6)), {"spatial": True}, 12),
    "not finite": (broken, {}, 12),
    "constant": (lambda: stripe.build("resnet8_basic", asr="se", num_classes=4).eval(), {}, 12),
}
DRAWN: dict[str, Callable[..., Any]] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": function
    for module in (plots, stats)
    for name, function in vars(module).items()
    if inspect.isfunction(function) and _takes_several(function)
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a recording of two epochs of each kind."""
    torch.manual_seed(0)
    images, labels = torch.randn(12, 3, 16, 16), torch.arange(12) % 2
    paths = {}
    for kind, (build, options, count) in KINDS.items():
        paths[kind] = tmp_path_factory.mktemp("runs") / kind.replace(" ", "-")
        model = build()
        with stripe.Recorder(model, paths[kind], **options) as recorder:
            for epoch in (0, 1):
                recorder.record([(images[:count], labels[:count])], epoch, progress=False)
    return paths


def test_the_functions_of_several_recordings_are_found() -> None:
    assert {"plots.stripes", "plots.gate_spread", "plots.overview", "stats.compare"} <= set(DRAWN)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", DRAWN)
def test_two_kinds_are_drawn_or_refused_in_one_line(name: str, recorded: dict[str, Path]) -> None:
    pairs = {pair for kind in KINDS for pair in ((kind, kind), (kind, "usual"), ("usual", kind))}
    errors = {}
    for first, second in sorted(pairs):
        error = errors[first, second] = _error_of(DRAWN[name], recorded[first], recorded[second])
        plt.close("all")
        assert error is None or isinstance(error, StripeError), (first, second, error)
        assert "\n" not in str(error), (first, second)
    assert None in errors.values(), errors  # a function that refuses everything would pass


def _error_of(function: Callable[..., Any], *pair: Path) -> Exception | None:
    named = {"names": ["a", "b"]} if "names" in inspect.signature(function).parameters else {}
    try:
        function(list(pair), **named)
    except Exception as error:
        return error
    return None
