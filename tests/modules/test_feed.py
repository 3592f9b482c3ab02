"""Networks in float64, and networks that take images by keyword alone, go through every tool."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe.intervene.ablate import ablate
from stripe.modules.timing import compare_speed
from stripe.robustness import attack, noise_bound


class ByKeyword(nn.Module):
    """A network whose images have a name and no position, as some of transformers."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *, pixel_values: Tensor) -> Any:
        return self.network(pixel_values)


def small() -> nn.Module:
    torch.manual_seed(0)
    return stripe.build("resnet8_basic", attention="se", num_classes=3, in_channels=1).eval()


def loader() -> list[tuple[Tensor, Tensor]]:
    images, labels = torch.rand(64, 1, 12, 12), torch.arange(64) % 3
    return [(images[:32], labels[:32]), (images[32:], labels[32:])]


def frozen(model: nn.Module, recording: Any) -> Any:
    options: dict[str, Any] = {"constants": "optimal", "images": loader(), "progress": False}
    return stripe.freeze(model, recording, **options)


def layer_of(model: nn.Module) -> nn.Module:
    layer: nn.Module = next(p for name, p in model.named_modules() if name.endswith("layer3"))
    return layer


TOOLS: dict[str, Callable[[nn.Module, Any], Any]] = {
    "audit": lambda m, r: stripe.audit(m, loader(), out=None, rounds=1, progress=False),
    "mean_cam": lambda m, r: stripe.mean_cam(m, loader(), layer_of(m), progress=False),
    "attack": lambda m, r: attack(m, loader(), ["constant:0.5,0.5"], progress=False),
    "noise_bound": lambda m, r: noise_bound(m, loader()[0][0][:4]),
    "compare_speed": lambda m, r: compare_speed(
        {"bare": m}, loader()[0][0], rounds=1, progress=False
    ),
    "sensitivity": lambda m, r: stripe.sensitivity(m, loader(), r, progress=False),
    "ablate": lambda m, r: ablate(m, loader(), r, progress=False),
    "freeze": frozen,
}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("kind", ["float64", "keyword"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_tool_feeds_the_network(kind: str, tool: str, tmp_path: Path) -> None:
    model = small().double() if kind == "float64" else ByKeyword(small())
    recording = stripe.record(model, loader(), tmp_path / "recording", progress=False)
    assert TOOLS[tool](model, recording) is not None
