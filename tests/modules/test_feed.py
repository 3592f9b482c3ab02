"""Networks in float64, and networks that take images by keyword alone, go through every tool."""

from collections.abc import Callable
from functools import partial
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


Batches = list[tuple[Tensor, Tensor]]


def loader(channels: int = 1) -> Batches:
    images, labels = torch.rand(64, channels, 12, 12), torch.arange(64) % 3
    return [(images[:32], labels[:32]), (images[32:], labels[32:])]


def frozen(model: nn.Module, recording: Any, images: Batches) -> Any:
    options: dict[str, Any] = {"constants": "optimal", "images": images, "progress": False}
    return stripe.freeze(model, recording, **options)


def layer_of(model: nn.Module) -> nn.Module:
    layer: nn.Module = next(p for name, p in model.named_modules() if name.endswith("layer3"))
    return layer


TOOLS: dict[str, Callable[[nn.Module, Any, Batches], Any]] = {
    "audit": lambda m, r, b: stripe.audit(m, b, out=None, rounds=1, progress=False),
    "mean_cam": lambda m, r, b: stripe.mean_cam(m, b, layer_of(m), progress=False),
    "attack": lambda m, r, b: attack(m, b, ["constant:0.5,0.5"], progress=False),
    "noise_bound": lambda m, r, b: noise_bound(m, b[0][0][:4]),
    "compare_speed": lambda m, r, b: compare_speed({"bare": m}, b[0][0], rounds=1, progress=False),
    "sensitivity": lambda m, r, b: stripe.sensitivity(m, b, r, progress=False),
    "ablate": lambda m, r, b: ablate(m, b, r, progress=False),
    "freeze": frozen,
}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("kind", ["float64", "keyword"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_tool_feeds_the_network(kind: str, tool: str, tmp_path: Path) -> None:
    model = small().double() if kind == "float64" else ByKeyword(small())
    recording = stripe.record(model, loader(), tmp_path / "recording", progress=False)
    assert TOOLS[tool](model, recording, loader()) is not None


@pytest.mark.parametrize("tool", [*TOOLS, "record"])
def test_an_error_of_the_network_names_its_images(tool: str, tmp_path: Path) -> None:
    model = small()
    recording = stripe.record(model, loader(), tmp_path / "recording", progress=False)
    again = partial(stripe.record, model, path=tmp_path / "again", progress=False)
    with pytest.raises(RuntimeError) as raised:
        again(loader=loader(3)) if tool == "record" else TOOLS[tool](model, recording, loader(3))
    said = "\n".join((str(raised.value), *getattr(raised.value, "__notes__", ())))
    assert "given images (" in said
    assert ", 3, 12, 12)" in said
