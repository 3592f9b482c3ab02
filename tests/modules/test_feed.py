"""Networks in float64, and networks that take images by keyword alone, go through every tool."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe.errors import ModelError
from stripe.intervene.ablate import ablate
from stripe.modules.feed import feed
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


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("kind", ["float64", "keyword"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_tool_feeds_the_network(kind: str, tool: str, tmp_path: Path) -> None:
    model = small().double() if kind == "float64" else ByKeyword(small())
    recording = stripe.record(model, loader(), tmp_path / "recording", progress=False)
    assert TOOLS[tool](model, recording, loader()) is not None


@pytest.mark.slow
@pytest.mark.parametrize("tool", [*TOOLS, "record"])
def test_an_error_of_the_network_names_its_images(tool: str, tmp_path: Path) -> None:
    model = small()
    recording = stripe.record(model, loader(), tmp_path / "recording", progress=False)
    again = partial(stripe.record, model, path=tmp_path / "again", progress=False)
    with pytest.raises(ModelError, match=r"images .*, 3, 12, 12\) of .* takes \(N, 1, H, W\)"):
        again(loader=loader(3)) if tool == "record" else TOOLS[tool](model, recording, loader(3))


IMAGES = torch.rand(4, 3, 12, 12)


@pytest.mark.parametrize(
    ("images", "remedy"),
    [
        (IMAGES[:, :1], "takes (N, 3, H, W); give images.expand(-1, 3, -1, -1)"),
        (IMAGES.movedim(1, 3), "takes (N, 3, H, W); give images.permute(0, 3, 1, 2)"),
        (IMAGES[:, :2], "takes (N, 3, H, W); give such images"),
        (IMAGES[0], "has the shape (N, C, H, W); give images[None] for one image"),
        (IMAGES.double(), "has weights of torch.float32; give images.to(torch.float32)"),
        ((255 * IMAGES).byte(), "such as images.float() / 255"),
    ],
    ids=["grey", "channels last", "two channels", "one image", "float64", "bytes"],
)
def test_images_that_do_not_fit_are_told_with_a_remedy(images: Tensor, remedy: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    with pytest.raises(ModelError, match=re.escape(remedy) + r"\Z"):
        feed(model, images)


def test_a_grey_batch_without_channels_is_told_where_they_go() -> None:
    with pytest.raises(ModelError, match=r"takes \(N, 1, H, W\); give images\[:, None\]\Z"):
        feed(nn.Sequential(nn.Conv2d(1, 4, 3)), IMAGES[:, 0])


@pytest.mark.parametrize("error", [RuntimeError, ValueError, KeyError, torch.OutOfMemoryError])
@pytest.mark.parametrize("images", [IMAGES, IMAGES[:, :1], IMAGES[0], (255 * IMAGES).byte()])
def test_an_error_of_the_network_itself_stays_as_it_is(
    error: type[Exception], images: Tensor
) -> None:
    """Whatever convolution it registers first, and whatever it does to its images before."""

    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = nn.Conv2d(64, 3, 1)

        def forward(self, images: Tensor) -> Tensor:
            raise error("mine")

    with pytest.raises(error, match="mine") as raised:
        feed(Broken(), images)
    (note,) = raised.value.__notes__
    assert note.startswith(f"the network was given images {tuple(images.shape)} of torch.")


def test_no_advice_is_given_for_what_the_network_makes_of_its_images() -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 4, 1)

        def forward(self, images: Tensor) -> Tensor:
            halves: Tensor = self.convolution(images[:, :2])
            return halves

    with pytest.raises(RuntimeError, match="expected input") as raised:
        feed(Halves(), IMAGES)
    assert not isinstance(raised.value, ModelError)
