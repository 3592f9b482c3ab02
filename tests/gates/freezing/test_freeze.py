"""Freezing of gates: means, modes, odd networks, and what stays."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import torchvision
from freezing import POSITIVE, Net, freeze, means_of, randomized
from timm.layers.cbam import LightCbamModule
from torch import Tensor, nn
from torch.nn import functional as F

import stripe
from stripe import find_gates, open_recording, stats
from stripe.errors import ModelError, UnknownNameError
from stripe.gates.folding.fold import Fold
from stripe.gates.folding.scaling import Scaling
from stripe.gates.freezing.constant import ConstantGate, ConstantScale
from stripe.gates.freezing.plan import plan
from stripe.gates.tracing.trace import trace
from stripe.modules.tensors import tensors_in

#: Where everything folds.
FOLDING = [
    "tv:mobilenet_v3_small",
    "tv:efficientnet_b0",
    "tv:regnet_y_400mf",
    "timm:seresnet18",
    "timm:ecaresnet26t",
    "timm:rexnet_100",
    "timm:nf_seresnet26",
    "timm:mixnet_s",  # the product is split among convolutions
    "timm:mobileone_s4",  # x is a sum of branches
    "resnet164",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDING)
def test_all_gates_of_real_networks_fold(name: str) -> None:
    options: dict[str, Any] = {"attention": "se", "num_classes": 10} if name == "resnet164" else {}
    model = randomized(stripe.build(name, seed=0, **options))
    example = torch.zeros(2, 3, *(32, 32) if options else (224, 224))
    means = means_of(find_gates(model, example))
    state = copy.deepcopy(model.state_dict())
    frozen = freeze(model, means, example=example)
    report = frozen.report
    assert isinstance(report, pd.DataFrame)
    assert report["gate"].tolist() == list(means)
    assert report["folded"].all(), report[~report["folded"]].to_string()
    assert 0 < frozen.error < 1e-5
    assert not any(isinstance(m, ConstantGate | ConstantScale) for m in frozen.model.modules())
    assert find_gates(frozen.model, example) == []
    assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())


@pytest.mark.slow
def test_splits_fold_into_their_branches() -> None:
    x = torch.randn(2, 3, 64, 64)
    for name, layer in (
        ("skresnet18", "layer1.0.conv1.paths.0.bn"),
        ("resnest14d", "layer1.0.conv2.bn0"),
    ):
        model = randomized(timm.create_model(name))
        means = means_of(find_gates(model, x))
        frozen = freeze(model, means, example=x)
        assert frozen.report["folded"].all(), frozen.report.to_string()
        assert layer in frozen.report["into"][0].split(", ")


def test_products_with_a_map_stay_constants() -> None:
    x = torch.zeros(2, 3, 64, 64)
    cbam = stripe.build("resnet20", attention="cbam", seed=0).eval()
    frozen = freeze(cbam, means_of(find_gates(cbam, x)), example=x)
    assert set(frozen.report["reason"]) == {
        "it multiplies together with a spatial map, or copied to places"
    }
    assert len(find_gates(frozen.model, x, kinds=("spatial",))) == 6


def test_a_gate_without_a_module_folds_with_its_owner() -> None:
    class Light(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 16, 3)
            self.attention = LightCbamModule(16)

        def forward(self, x: Tensor) -> Any:
            return self.attention(self.stem(x))

    model: Any = Light().eval()
    x = torch.randn(2, 3, 12, 12)
    v = torch.linspace(0, 1, 16)
    frozen = freeze(model, {"attention.channel": v}, example=x)
    assert frozen.report["into"].tolist() == ["stem"]
    with torch.no_grad():
        expected = model.attention.spatial(model.stem(x) * v.view(1, -1, 1, 1))
    torch.testing.assert_close(frozen.model(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_means_from_recordings_moments_and_the_last_epoch(tmp_path: Path) -> None:
    model = randomized(timm.create_model("seresnet18"))
    x = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with stripe.Recorder(model, tmp_path / "r", x) as recorder:
        recorder.record([torch.zeros(1, 3, 64, 64)], 0)
        recorder.record([x], 1)
    recording = open_recording(tmp_path / "r")
    name = "layer3.0.se.gate"
    whole = {n: recording.values(n, 1).astype(float).mean(0) for n in recording.gates["name"]}
    expected = freeze(model, whole, example=x)
    moments = stats.channel_moments(recording)
    for data in (recording, moments, moments[moments["epoch"] == 1]):
        frozen = freeze(model, data)
        with torch.no_grad():
            torch.testing.assert_close(frozen.model(x), expected.model(x), rtol=1e-4, atol=1e-4)
    first = freeze(model, recording, epoch=0, gates=[name])
    second = freeze(model, recording, epoch=1, gates=[name])
    assert len(first.report) == 1
    assert not torch.equal(first.model.state_dict()["layer3.0.bn2.weight"],
                           second.model.state_dict()["layer3.0.bn2.weight"])  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet8_basic", "tv:mobilenet_v3_small"])
def test_constants_without_the_comparison_are_those_of_freezing(name: str) -> None:
    own = name.startswith("tv:")  # its gates are made by modules of its own
    model = randomized(stripe.build(name, attention=None if own else "se", num_classes=10))
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    means = means_of(find_gates(model, x))
    made = plan(model, means, example=x)
    for gates in ("all", list(means)[1:3]):
        frozen = made.freeze(gates, fold=False).model
        constant = made.constant(gates)
        with torch.no_grad():
            assert torch.equal(constant.eval()(x), frozen.eval()(x))
            assert not torch.equal(constant(x), model(x))
    assert len(find_gates(made.constant(list(means)[1:3]), x, kinds=("gate",))) == len(means) - 2


def test_modes_and_device_are_kept() -> None:
    model = timm.create_model("seresnet18").double().train()
    x = torch.zeros(2, 3, 64, 64).double()
    frozen = freeze(model, means_of(find_gates(model, x)), example=x)
    assert model.training
    assert all(module.training for module in frozen.model.modules())
    assert {tensor.dtype for tensor in frozen.model.parameters()} == {torch.float64}


@pytest.mark.slow
def test_errors_say_what_to_do() -> None:
    model, x = timm.create_model("seresnet18"), torch.zeros(2, 3, 64, 64)
    means = means_of(find_gates(model, x))
    with pytest.raises(ModelError, match=r"'layer1\.0\.se\.gate' must be 64 finite numbers"):
        freeze(model, {"layer1.0.se.gate": np.ones(3)}, example=x)
    with pytest.raises(ModelError, match="some are not finite, as for images or weights with NaN"):
        freeze(model, {"layer1.0.se.gate": np.full(64, np.nan)}, example=x)
    with pytest.raises(UnknownNameError, match="no gate 'x'; it has: layer1"):
        freeze(model, means, gates=["x"], example=x)
    with pytest.raises(UnknownNameError, match=r"and has those of: elsewhere"):
        freeze(model, {"elsewhere": np.ones(3)}, example=x)
    with pytest.raises(ModelError, match="no gates were found in the model"):
        freeze(timm.create_model("resnet18"), means, example=x)


class Odd(nn.Module):
    """A convolution, a squeeze-and-excitation gate, and a head that a test brings."""

    def __init__(self, head: Callable[[Any, Tensor, Tensor], Any], **children: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Conv2d(8, 8, 1)
        self.gate = nn.Sigmoid()
        self.out = nn.Conv2d(8, 4, 1)
        self.head = head
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, x: Tensor) -> Any:
        y = self.stem(x)
        return self.head(self, y, self.gate(self.fc(y.mean((2, 3), keepdim=True))))


@dataclass
class Output:
    logits: Tensor
    nothing: None = None


@pytest.mark.parametrize(
    ("head", "folded"),
    [
        (lambda t, y, v: {"logits": t.out(y * v), "attention": v}, False),
        (lambda t, y, v: t.out(y * v) + t.out(1 - v), False),
        (lambda t, y, v: t.out((y + y) * v), True),  # into the convolution after
        (lambda t, y, v: torch.cat([y, y], 1) * torch.cat([v, v], 1), False),
        (lambda t, y, v: F.pad(y, (0, 0, 0, 0, 0, 2)) * torch.cat([v, v[:, :2]], 1), False),
        (lambda t, y, v: (t.out(y * v), None), True),
        (lambda t, y, v: Output(t.out(y * v)), True),
        (lambda t, y, v: (y * v).relu().mean((2, 3)), True),
        (lambda t, y, v: (y.square() * v).mean(1), False),  # as many channels as rows
        (lambda t, y, v: t.norm(y) * v, True),
    ],
)
def test_odd_networks_stay_what_they_are(head: Callable[..., Any], folded: bool) -> None:
    torch.manual_seed(0)
    net = Odd(head, norm=nn.InstanceNorm2d(8, affine=True)).eval()
    x = torch.randn(2, 3, 8, 8)
    (gate,) = find_gates(net, x)
    v = torch.linspace(0.1, 0.9, gate.channels)
    frozen, constant = (freeze(net, {gate.name: v}, example=x, fold=f) for f in (True, False))
    if gate.name == "gate":
        assert frozen.report["folded"].tolist() == [folded]
    with torch.no_grad():
        for left, right in zip(
            tensors_in(frozen.model(x)), tensors_in(constant.model(x)), strict=True
        ):
            torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


def test_stand_ins_take_the_calls_that_they_replace() -> None:
    class Context(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Conv2d(8, 8, 1)
            self.gate = nn.Sigmoid()

        def forward(self, x: Tensor, *, context: Tensor) -> Any:
            return x * self.gate(input=self.fc(context.mean((2, 3), keepdim=True)))

    for fold in (True, False):
        net = Odd(lambda t, y, v: t.out(t.se(y, context=y)), se=Context()).eval()
        x = torch.randn(2, 3, 8, 8)
        frozen = freeze(net, {"se.gate": np.full(8, 0.5)}, example=x, fold=fold)
        assert frozen.model(x).shape == (2, 4, 8, 8)
        assert frozen.report["folded"].tolist() == [fold]


class OfTwo(nn.Module):
    def forward(self, other: Tensor, squeezed: Tensor) -> Any:
        return (squeezed + 0 * other.sum()).sigmoid()[:, :, None, None]


class TakesFirst(nn.Module):
    """A network whose gate is made by a module that takes something else first."""

    def __init__(self, first: str) -> None:
        super().__init__()
        self.first, self.gate, self.fc = first, OfTwo(), nn.Linear(8, 8)
        self.stem, self.out = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Any:
        y = self.stem(x)
        z = self.fc(y.mean((2, 3)))
        others: dict[str, Callable[[], Tensor]] = {
            "mask": lambda: torch.ones(len(x), dtype=torch.bool),
            "indices": lambda: torch.arange(len(x)),
            "half": lambda: torch.ones(len(x)).half(),
            "channels": z.t,
        }
        return self.out(y * self.gate(others[self.first](), z))


@pytest.mark.parametrize("first", ["mask", "indices", "half", "channels"])
@pytest.mark.parametrize("fold", [True, False])
def test_a_gate_keeps_its_values_whatever_its_module_takes_first(first: str, fold: bool) -> None:
    net = TakesFirst(first).eval()
    x, v = torch.randn(3, 3, 8, 8), np.linspace(0.1, 0.9, 8)
    frozen = freeze(net, {"gate": v}, example=x[:2], fold=fold)
    assert frozen.report["folded"].tolist() == [fold]
    with torch.no_grad():
        expected = net.out(net.stem(x) * torch.from_numpy(v).float().view(1, -1, 1, 1))
        torch.testing.assert_close(frozen.model(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_compiled_owner_is_replaced_with_its_wrapper() -> None:
    model: Any = timm.create_model("seresnet18").eval()
    x = torch.randn(2, 3, 64, 64)
    means = means_of(find_gates(model, x))
    expected = freeze(model, means, example=x)
    model.layer1[0].se = torch.compile(model.layer1[0].se)
    frozen = freeze(model, means, example=x)
    assert isinstance(frozen.model.layer1[0].se, nn.Identity)
    with torch.no_grad():
        torch.testing.assert_close(frozen.model(x), expected.model(x))


def test_a_fold_that_changes_the_output_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Scaling("before", "output", np.full(8, 2.0), "before")
    fold = Fold((wrong,), 1, frozenset(["se", "after"]))
    monkeypatch.setattr("stripe.gates.folding.fold.Folder.fold", lambda *args: fold)
    net = Net(nn.Conv2d(3, 8, 3), nn.SiLU()).eval()
    frozen = freeze(net, {"se.gate": POSITIVE}, example=torch.zeros(2, 3, 12, 12))
    assert frozen.report["folded"].tolist() == [False]
    assert "folding it into before changes the output" in frozen.report["reason"][0]
    assert frozen.error == 0


def test_a_trace_knows_what_made_a_tensor() -> None:
    net = Net(nn.Conv2d(3, 8, 3), nn.SiLU())
    watched = trace(net, torch.zeros(2, 3, 12, 12))
    product = next(step for step in watched.steps if step.op == "mul")
    assert watched.nodes[product.outputs[0]].shape == (2, 8, 10, 10)
    assert watched.maker(watched.root(product.inputs[0]), len(watched.steps)) == "before"
    assert {watched.names[n] for n in watched.steps[0].inputs if n in watched.names} == {
        "before.weight",
        "before.bias",
    }


@pytest.mark.slow
def test_in_place_the_model_becomes_the_frozen_one() -> None:
    model = torchvision.models.mobilenet_v3_small(num_classes=3).eval()
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    means = means_of(find_gates(model, x))
    expected = freeze(model, means, example=x)
    assert len(find_gates(model, x)) == len(means)  # it was a copy
    frozen = freeze(model, means, example=x, inplace=True)
    assert frozen.model is model
    assert find_gates(model, x) == []
    assert list(model.state_dict()) == list(expected.model.state_dict())
    assert frozen.report.equals(expected.report)
    with torch.no_grad():
        assert torch.equal(model(x), expected.model(x))
    program = torch.export.export(torchvision.models.mobilenet_v3_small().eval(), (x,))
    with pytest.raises(ModelError, match="an exported program is not changed in place"):
        freeze(program, means, inplace=True)
