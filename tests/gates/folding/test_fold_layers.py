"""Folds of constants into layers, against layers made by hand."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch
from freezing import CONV, POSITIVE, SIGNED, Net, by_hand, freeze, means_of, randomized
from timm.layers.norm import LayerNorm2d
from timm.layers.norm_act import BatchNormAct2d
from timm.layers.std_conv import ScaledStdConv2d
from torch import Tensor, nn

import stripe
from stripe import find_gates
from stripe.gates.freezing.constant import ConstantScale

#: Layers before and after a gate, the gate, and which side takes it.
CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module], Tensor, str]] = {
    "convolution": (lambda: nn.Conv2d(3, 8, 3), nn.SiLU, SIGNED, "before"),
    "no bias": (lambda: nn.Conv2d(3, 8, 3, bias=False), nn.SiLU, SIGNED, "before"),
    "grouped": (lambda: nn.Conv2d(6, 8, 3, groups=2), nn.SiLU, SIGNED, "before"),
    "transposed": (lambda: nn.ConvTranspose2d(6, 8, 3, groups=2), nn.SiLU, SIGNED, "before"),
    "norm": (lambda: nn.Sequential(CONV, nn.BatchNorm2d(8)), nn.SiLU, SIGNED, "before.1"),
    "plain norm": (
        lambda: nn.Sequential(CONV, nn.BatchNorm2d(8, affine=False)),
        nn.SiLU,
        SIGNED,
        "before.1",
    ),
    "group norm": (lambda: nn.Sequential(CONV, nn.GroupNorm(2, 8)), nn.SiLU, SIGNED, "before.1"),
    "layer norm": (lambda: nn.Sequential(CONV, LayerNorm2d(8)), nn.SiLU, SIGNED, "before.1"),
    "through ReLU": (
        lambda: nn.Sequential(CONV, nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        nn.SiLU,
        POSITIVE,
        "before.1",
    ),
    "norm that ends in ReLU": (
        lambda: nn.Sequential(CONV, BatchNormAct2d(8)),
        nn.SiLU,
        POSITIVE,
        "before.1",
    ),
    "standardised": (lambda: ScaledStdConv2d(3, 8, 3), nn.SiLU, SIGNED, "before"),
    "negative, past ReLU": (
        lambda: nn.Sequential(CONV, nn.ReLU()),
        lambda: nn.Conv2d(8, 4, 3, padding=1),
        SIGNED,
        "after",
    ),
    "grouped after": (
        lambda: nn.Sequential(CONV, nn.SiLU()),
        lambda: nn.Conv2d(8, 4, 3, groups=2),
        SIGNED,
        "after",
    ),
    "transposed after": (
        lambda: nn.Sequential(CONV, nn.SiLU()),
        lambda: nn.ConvTranspose2d(8, 4, 3, groups=2),
        SIGNED,
        "after",
    ),
    "linear after pooling": (
        lambda: nn.Sequential(CONV, nn.SiLU()),
        lambda: nn.Sequential(
            nn.ReLU(), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
        ),
        POSITIVE,
        "after.4",
    ),
    "weight normalised": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3)),
        lambda: nn.Conv2d(8, 4, 1),
        SIGNED,
        "after",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_layers_by_hand(case: str) -> None:
    before, after, v, side = CASES[case]
    torch.manual_seed(0)
    net = randomized(Net(copy.deepcopy(before()), after()))
    channels = 6 if case in ("grouped", "transposed") else 3
    x = torch.randn(2, channels, 12, 12)
    frozen = freeze(net, {"se.gate": v}, example=x)
    (row,) = frozen.report.to_dict("records")
    assert (row["into"], row["folded"]) == (side, True)
    assert isinstance(frozen.model.se, nn.Identity)
    with torch.no_grad():
        torch.testing.assert_close(frozen.model(x), by_hand(net, x, v), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (
            nn.SiLU(),
            nn.SiLU(),
            "silu in before.1 does not pass a scale on; after it, silu",
        ),
        (nn.ReLU(), nn.SiLU(), "there is a relu, and the gate is negative in places"),
        (nn.SiLU(), ScaledStdConv2d(8, 4, 1), "standardised convolution cannot take a scale"),
        (nn.SiLU(), nn.Sequential(nn.Flatten(2), nn.Linear(100, 2)), "mixed with places by a view"),
    ],
)
def test_what_cannot_fold_stays_a_scale(before: nn.Module, after: nn.Module, reason: str) -> None:
    net = Net(nn.Sequential(nn.Conv2d(3, 8, 3), before), after).eval()
    x = torch.randn(2, 3, 12, 12)
    frozen = freeze(net, {"se.gate": SIGNED}, example=x)
    (row,) = frozen.report.to_dict("records")
    assert not row["folded"]
    assert reason in row["reason"]
    assert isinstance(frozen.model.se, ConstantScale)
    torch.testing.assert_close(frozen.model(x), by_hand(net, x, SIGNED))


def test_a_layer_that_others_read_too_is_left_alone() -> None:
    class Shared(Net):
        def forward(self, x: Tensor) -> Any:
            y = self.before(x)
            return self.after(self.se(y)) + y

    net = Shared(nn.Conv2d(3, 8, 3), nn.SiLU()).eval()
    frozen = freeze(net, {"se.gate": POSITIVE}, example=torch.zeros(2, 3, 12, 12))
    assert "the model reads what it multiplies too" in frozen.report["reason"][0]
    twice: Any = Net(nn.Conv2d(3, 3, 1), nn.SiLU(), channels=3)
    twice.before = nn.Sequential(twice.before, twice.before)
    frozen = freeze(twice.eval(), {"se.gate": np.ones(3)}, example=torch.zeros(2, 3, 12, 12))
    assert "is called 2 times" in frozen.report["reason"][0]


def test_without_folding_it_computes_the_same() -> None:
    model = randomized(timm.create_model("seresnet18"))
    x = torch.randn(2, 3, 64, 64)
    means = means_of(find_gates(model, x))
    constant, folded = (freeze(model, means, example=x, fold=fold) for fold in (False, True))
    assert not constant.report["folded"].any()
    assert sum(isinstance(m, ConstantScale) for m in constant.model.modules()) == 8
    with torch.no_grad():
        torch.testing.assert_close(constant.model(x), folded.model(x), rtol=1e-4, atol=1e-4)


def test_folded_gates_of_ours_leave_the_plain_network() -> None:
    model = stripe.build("resnet20", attention="se", num_classes=10, seed=0).eval()
    x = torch.zeros(2, 3, 32, 32)
    frozen = freeze(model, means_of(find_gates(model, x)), example=x)
    plain = stripe.build("resnet20", num_classes=10)
    assert list(frozen.model.state_dict()) == list(plain.state_dict())
    assert frozen.report["into"][0] == "layer1.0.bn3"
