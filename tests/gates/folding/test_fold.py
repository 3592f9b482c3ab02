"""Where constants go, past residual gates, per-channel constants, views and detectors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import export
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.ops import FrozenBatchNorm2d

import stripe
from stripe import find_gates
from stripe.attention import SE
from stripe.modules import undisturbed

V = torch.linspace(0.1, 0.9, 8)
SIGNED = torch.linspace(-0.9, 0.9, 8)


def wide(v: Tensor) -> Tensor:
    return v.view(1, -1, 1, 1)


class Gated(nn.Module):
    """A stem, a gate that `head` uses, and a convolution after it."""

    def __init__(self, head: Callable[[Any, Tensor, Any], Tensor], **children: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.fc = nn.Conv2d(8, 8, 1)
        self.out = nn.Conv2d(8, 4, 1)
        self.scale = nn.Parameter(torch.rand(8, 1, 1) + 0.5)
        self.register_buffer("shift", torch.rand(1, 8, 1, 1))
        self.number = nn.Parameter(torch.rand(1))
        self.head = head
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, x: Tensor) -> Any:
        return self.head(self, self.stem(x), lambda y: self.fc(y.mean((2, 3), keepdim=True)).tanh())

    def by_hand(self, x: Tensor, v: Tensor) -> Any:
        return self.head(self, self.stem(x), lambda y: wide(v))


def gate(t: Any, y: Tensor, v: Any) -> Any:
    return t.out((y * v(y)).sin())


def residual(t: Any, y: Tensor, v: Any) -> Any:
    return t.out((y + y * v(y)).sin())


def tokens(t: Any, y: Tensor) -> Tensor:
    return nn.functional.linear(y.movedim(1, 3).contiguous(), t.matrix).movedim(3, 1)


def shuffled(y: Tensor) -> Tensor:
    return y.view(-1, 2, 4, 8, 8).transpose(1, 2).reshape(y.shape)


#: What is done with the stem's features, the constant, and where it goes.
CASES: dict[str, tuple[Callable[[Any, Tensor, Any], Tensor], Tensor, str]] = {
    "residual": (residual, SIGNED, "stem"),
    "residual, product first": (lambda t, y, v: t.out((y * v(y) + y).sin()), SIGNED, "stem"),
    "less": (lambda t, y, v: t.out((y - y * v(y)).sin()), V, "stem"),
    "residual past relu": (lambda t, y, v: residual(t, y.relu(), v), SIGNED, "stem"),
    "residual, after": (lambda t, y, v: t.out(y.sin() + y.sin() * v(y)), V, ""),
    "residual, into out": (lambda t, y, v: t.out((z := y.sin()) + z * v(z)), SIGNED, "out"),
    "in place": (lambda t, y, v: t.out(y.mul_(v(y)).sin()), SIGNED, "stem"),
    "scaled sum": (lambda t, y, v: t.out(torch.add(y, y * v(y), alpha=2).sin()), SIGNED, ""),
    "scale": (lambda t, y, v: gate(t, y * t.scale, v), SIGNED, "stem"),
    "shift": (lambda t, y, v: gate(t, y + t.shift, v), SIGNED, "stem, shift"),
    "scale and shift": (lambda t, y, v: gate(t, y * t.scale + t.shift, v), V, "stem, shift"),
    "less a shift": (lambda t, y, v: gate(t, y - t.shift, v), SIGNED, "stem, shift"),
    "shift minus": (lambda t, y, v: gate(t, t.shift - y, v), SIGNED, "shift, stem"),
    "shift past relu": (lambda t, y, v: residual(t, (y + t.shift).relu(), v), V, "stem, shift"),
    "viewed shift": (lambda t, y, v: gate(t, y + t.scale[None], v), V, "stem, scale"),
    "one number": (lambda t, y, v: gate(t, y + t.number, v), V, ""),
    "shift read twice": (lambda t, y, v: gate(t, y + t.shift, v) + t.shift.mean(), V, ""),
    "frozen norm": (lambda t, y, v: gate(t, t.norm(y), v), V, "stem, norm.bias, norm.running_mean"),
    "functional": (lambda t, y, v: gate(t, nn.functional.conv2d(y, t.kernel), v), V, "kernel"),
    "linear": (lambda t, y, v: gate(t, tokens(t, y), v), V, "matrix"),
    "shuffled": (lambda t, y, v: gate(t, shuffled(y), v), SIGNED, "stem"),
    "padded": (lambda t, y, v: gate(t, nn.functional.pad(y, (1, 1)), v), SIGNED, "stem"),
    "padded with ones": (lambda t, y, v: gate(t, nn.functional.pad(y, (1, 1), value=1), v), V, ""),
    "pooled": (lambda t, y, v: t.out(nn.functional.max_pool2d(y.sin() * v(y), 2)), V, "out"),
    "a mean over places": (lambda t, y, v: t.fc((y.sin() * v(y)).mean(3, True)), V, ""),
    "a number read": (lambda t, y, v: gate(t, y, v) * y.abs().max().item(), V, ""),
    "flattened": (lambda t, y, v: t.flat((y.sin() * v(y)).flatten(1)), SIGNED, "flat"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_where_a_constant_goes(case: str) -> None:
    head, v, into = CASES[case]
    torch.manual_seed(0)
    norm = FrozenBatchNorm2d(8)
    for tensor in norm.buffers():
        tensor.uniform_(0.5, 1.5)
    net: Any = Gated(head, norm=norm, flat=nn.Linear(512, 3)).eval()
    net.kernel = nn.Parameter(torch.randn(8, 8, 1, 1))
    net.matrix = nn.Parameter(torch.randn(8, 8))
    x = torch.randn(2, 3, 8, 8)
    (found,) = find_gates(net, x)
    frozen: Any = stripe.freeze(net, {found.name: v}, example=x)
    row = frozen.report.iloc[0]
    assert row["frozen"]
    assert row["into"] == into, row["reason"]
    with torch.no_grad():
        torch.testing.assert_close(frozen.model(x), net.by_hand(x, v), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(frozen.model(9 * x), net.by_hand(9 * x, v), rtol=1e-4, atol=1e-4)


def test_a_module_that_only_adds_a_residual_gate_goes() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Conv2d(8, 8, 1)

        def forward(self, x: Tensor) -> Any:
            return x + x * self.fc(x.mean((2, 3), keepdim=True)).sigmoid()

    net: Any = nn.Sequential(nn.Conv2d(3, 8, 3), Residual(), nn.SiLU()).eval()
    x = torch.randn(2, 3, 8, 8)
    for fold in (True, False):
        frozen: Any = stripe.freeze(net, {"1": V}, example=x, fold=fold)
        assert not list(frozen.model[1].parameters())
        with torch.no_grad():
            expected = net[2](net[0](x) * (1 + wide(V)))
        torch.testing.assert_close(frozen.model(x), expected, rtol=1e-4, atol=1e-5)


class Around(nn.Module):
    """Add x to what a module makes of x by a gate alone."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inside(x)
        return x + y


class Excite(nn.Module):
    """Multiply x by a gate of x."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(x.mean((2, 3), keepdim=True))
        return x * y.sigmoid()


@pytest.mark.parametrize("ours", [False, True])
def test_a_sum_with_x_around_the_module_that_gates(ours: bool) -> None:
    """The module itself puts out other values than before, and the sum the same."""
    torch.manual_seed(0)
    inside = stripe.Gated(nn.Identity(), SE(8, reduction=2)) if ours else Excite()
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), Around(inside), nn.SiLU()).eval()
    x = torch.randn(2, 3, 8, 8)
    (found,) = find_gates(net, x)
    frozen = stripe.freeze(net, {found.name: SIGNED}, example=x)
    assert frozen.report["into"].tolist() == ["1"], frozen.report["reason"].tolist()
    with torch.no_grad():
        expected = net[3](net[1](net[0](x)) * (1 + wide(SIGNED)))
        torch.testing.assert_close(frozen.model(x), expected, rtol=1e-4, atol=1e-5)


class Groups(nn.Module):
    """A gate for each group of channels, over features viewed in groups."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.stem = nn.Conv2d(3, 8, 3)
        self.gate = nn.Sigmoid()
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Any:
        y = self.stem(x)
        groups = y.view(len(y), self.groups, -1, *y.shape[2:])
        v = self.gate(groups.mean((2, 3, 4), keepdim=True))
        return self.out((groups * v).view(y.shape).sin())


@pytest.mark.parametrize("fold", [True, False])
def test_gates_of_groups(fold: bool) -> None:
    net: Any = Groups(4).eval()
    x = torch.randn(2, 3, 8, 8)
    (found,) = find_gates(net, x)
    v = torch.linspace(0.2, 0.8, found.channels)
    frozen: Any = stripe.freeze(net, {found.name: v}, example=x, fold=fold)
    assert frozen.report["frozen"].tolist() == [True]
    assert frozen.report["into"].tolist() == ["stem" if fold else ""]
    with torch.no_grad():
        expected = net.out((net.stem(x) * wide(v.repeat_interleave(2))).sin())
    torch.testing.assert_close(frozen.model(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_folds_of_a_detector_are_judged_beside_the_gates() -> None:
    torch.manual_seed(0)
    model: Any = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
    x = torch.randn(2, 3, 320, 320)
    means = {g.name: np.linspace(0.1, 0.9, g.channels) for g in find_gates(model, x)}
    frozen: Any = stripe.freeze(model, means, example=x)
    constant: Any = stripe.freeze(model, means, example=x, fold=False)
    assert frozen.report["folded"].all()
    assert 0 < frozen.error < 1e-4
    with undisturbed(frozen.model), undisturbed(constant.model):
        for left, right in zip(
            frozen.model.backbone(x).values(), constant.model.backbone(x).values(), strict=True
        ):
            torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-3 * float(right.abs().max()))


class Choosing(nn.Module):
    """What a detector does: what is put out is chosen by value, or is nothing."""

    def __init__(self, *, choose: bool, inside: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3), Squeeze(inside))
        self.choose = choose

    def forward(self, x: Tensor) -> Any:
        scores = self.features(x).sin().mean((1, 2))
        return scores.topk(1, 1).indices if self.choose else (scores > 9).nonzero()


class Squeeze(nn.Module):
    def __init__(self, inside: bool) -> None:
        super().__init__()
        self.gate = nn.Sigmoid()
        self.inside = inside

    def forward(self, x: Tensor) -> Any:
        y = x * self.gate(x.mean((2, 3), keepdim=True))
        return y.topk(2, 3).values if self.inside else y


@pytest.mark.parametrize("choose", [True, False])
def test_a_fold_is_never_judged_by_nothing(choose: bool) -> None:
    x = torch.randn(2, 3, 8, 8)
    net: Any = Choosing(choose=choose, inside=False).eval()
    frozen: Any = stripe.freeze(net, {"features.1.gate": V}, example=x)
    assert frozen.report["folded"].tolist() == [True]
    assert 0 < frozen.error < 1e-5
    hidden: Any = Choosing(choose=choose, inside=True).eval()
    frozen = stripe.freeze(hidden, {"features.1.gate": V}, example=x)
    assert frozen.report["folded"].tolist() == [False]
    assert "nothing beside it could be compared" in frozen.report["reason"][0]


def test_both_networks_draw_the_same_noise() -> None:
    def noisy(t: Any, y: Tensor, v: Any) -> Any:
        return gate(t, nn.functional.dropout(y, 0.5, training=True), v)

    net = Gated(noisy).eval()
    x = torch.randn(2, 3, 8, 8)
    frozen: Any = stripe.freeze(net, {find_gates(net, x)[0].name: V}, example=x)
    assert frozen.report["folded"].tolist() == [True]
    assert frozen.error < 1e-5


def test_a_program_of_a_residual_gate_loses_its_gate() -> None:
    net: Any = Gated(residual).eval()
    x = torch.randn(2, 3, 8, 8)
    program = export(net, (x,))
    name = find_gates(program.module(), x)[0].name
    frozen: Any = stripe.freeze(program, {name: V}, example=x)
    assert frozen.report["into"].tolist() == ["stem.weight"]
    assert "fc.weight" not in frozen.model.state_dict()
    with torch.no_grad():
        torch.testing.assert_close(frozen.model(x), net.by_hand(x, V), rtol=1e-4, atol=1e-5)


class Cancelled(nn.Module):
    """An instance norm, whose mean over places is 0 but for rounding, times a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.norm = nn.InstanceNorm2d(4)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Any:
        y = self.stem(x)
        return self.pool(self.norm(y) * torch.sigmoid(y.mean((2, 3), keepdim=True)))


def test_a_mean_of_values_that_cancel_does_not_hinder_a_fold() -> None:
    torch.manual_seed(0)
    net, x = Cancelled().double().eval(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    (found,) = find_gates(net, x)
    frozen: Any = stripe.freeze(net, {found.name: V[:4]}, example=x)
    assert frozen.report["into"].tolist() == ["norm"]
    torch.testing.assert_close(frozen.model.norm.weight, V[:4].double())
