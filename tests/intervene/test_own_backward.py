"""Products whose backward pass would not see a replaced gate are refused, not differentiated."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import stripe
from stripe.errors import ModelError


class OwnRule(torch.autograd.Function):
    """A product with its own derivative, in the form with a context."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, gate: Tensor) -> Tensor:
        ctx.save_for_backward(features, gate)
        return features * gate

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor]:
        features, gate = ctx.saved_tensors
        return slopes[0] * gate, (slopes[0] * features).sum((2, 3), keepdim=True)


class SetUp(OwnRule):
    """The same, with its context set up apart."""

    @staticmethod
    def forward(features: Tensor, gate: Tensor) -> Tensor:  # type: ignore[override]
        return features * gate

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)


class Block(nn.Module):
    """Gated features, whose product is computed in one of several ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.conv, self.fc, self.way = nn.Conv2d(3, 8, 3), nn.Linear(8, 8), way

    def gated(self, images: Tensor) -> Tensor:
        features = self.conv(images).relu()
        gate = torch.sigmoid(self.fc(features.mean((2, 3))))[..., None, None]
        rules: dict[str, Any] = {"own rule": OwnRule.apply, "set up": SetUp.apply}
        gated: Tensor = rules.get(self.way, torch.mul)(features, gate)
        return gated

    def forward(self, images: Tensor) -> Tensor:
        if self.way.startswith("checkpoint"):
            found: Tensor = checkpoint(self.gated, images, use_reentrant=self.way.endswith("re"))
            return found
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.way != "no gradient"):
            return self.gated(images)


def network(way: str) -> nn.Module:
    torch.manual_seed(0)
    layers = Block(way), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    return nn.Sequential(*layers).eval()


IMAGES = torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(1))


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("way", ["checkpoint", "checkpoint re", "own rule", "set up"])
def test_gradients_that_would_be_of_another_gate_are_refused(way: str) -> None:
    model, images = network(way), IMAGES.clone().requires_grad_()
    with (
        pytest.raises(ModelError, match=r"(torch.utils.checkpoint|an autograd function), so the"),
        stripe.intervene(model, "one"),
    ):
        model(images).sum().backward()
    with torch.no_grad(), stripe.intervene(model, "one"):
        replaced = model(images)
    plain = network("plain")
    with torch.no_grad(), stripe.intervene(plain, "one"):
        assert torch.equal(plain(images), replaced)
    frozen = stripe.gates.freeze_at(model, {"0": torch.full((8,), 0.5)}, fold=False).model
    with pytest.raises(ModelError, match="gradients"):
        frozen(images).sum().backward()


@pytest.mark.parametrize("way", ["plain", "no gradient"])
def test_other_products_may_be_differentiated(way: str) -> None:
    model, constant = network(way), torch.full((8,), 0.5, requires_grad=True)
    with stripe.intervene(model, constant):
        model(IMAGES).sum().backward()
    assert (constant.grad is None) == (way == "no gradient")


class Recomputed(nn.Module):
    """A checkpoint around the whole module that multiplies: it is called again, and replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block("plain")

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = checkpoint(self.block, images, use_reentrant=False)
        return found.mean((2, 3))


def test_a_checkpoint_around_the_module_is_differentiated_right() -> None:
    slopes = []
    for model in (Recomputed(), nn.Sequential(Block("plain"), nn.AdaptiveAvgPool2d(1))):
        torch.manual_seed(0)
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.3)
        images = IMAGES.clone().requires_grad_()
        with stripe.intervene(model.eval(), "one"):
            model(images).square().sum().backward()
        slopes.append(images.grad)
    torch.testing.assert_close(*slopes)
