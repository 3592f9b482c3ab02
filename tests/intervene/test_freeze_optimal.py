"""Freezing at learned constants: what is learned from, what is compared, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe.cli import main
from stripe.errors import ModelError, StripeError
from stripe.gates.freezing.frozen import REPORT_COLUMNS
from stripe.hooks.mixed import mixed, random_halves
from stripe.intervene.freeze import CONSTANTS, in_halves
from stripe.intervene.optimal import optimal_constants
from stripe.outputs.scores import divergence


class OneGate(nn.Module):
    """Logits of features times a gate that is large where the features are."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.head = nn.Sigmoid(), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head((x * self.gate(3 * x.mean((2, 3), keepdim=True))).mean((2, 3)))
        return scores


def test_both_constants_are_compared_on_the_other_half() -> None:
    torch.manual_seed(0)
    model = OneGate().double().eval()
    x = 1 + 2 * torch.randn(2000, 3, 2, 2, dtype=torch.float64)
    labels = torch.arange(2000) % 4
    first, second = (half.sort().values for half in random_halves(2000, labels=labels))
    known, other = x[first], x[second]
    means = {"gate": torch.sigmoid(3 * known.mean((2, 3))).mean(0).numpy()}
    loader = list(zip(x.split(40), labels.split(40), strict=True))
    frozen = stripe.freeze(model, means, constants="optimal", images=loader, progress=False)
    mix = mixed(x[first[first // 40 == batch]] for batch in range(50))
    best = optimal_constants(model, mix, means, example=x[:2], progress=False)
    table = frozen.comparison
    assert table is not None
    assert table["constants"].tolist() == ["none", "mean", "optimal"]
    assert table["gates"].tolist() == [0, 1, 1]
    with torch.no_grad():
        before = model(other)
        expected = [0.0]
        for vectors in (means, best):
            after = stripe.freeze(model, vectors, example=x[:2]).model(other)
            expected.append(float(divergence(before, after).mean()))
        after = frozen.model(other)
    np.testing.assert_allclose(table["kl"], expected, rtol=1e-9, atol=1e-15)
    assert table["kl"][2] < 0.9 * table["kl"][1]
    assert float(divergence(before, after).mean()) == pytest.approx(table["kl"][2])
    right = (before.argmax(1) == labels[second]).double().mean()
    assert table["accuracy"][0] == pytest.approx(float(right))
    assert frozen.report["folded"].tolist() == [True]


class GroupedGate(nn.Module):
    """A gate of half of the channels, which can be replaced, but not frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.weight = nn.Sigmoid(), nn.Parameter(3 * torch.randn(1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        halves = x.reshape(2 * len(x), 4, *x.shape[2:])
        gated: Tensor = halves * self.gate(halves.mean((2, 3), keepdim=True) * self.weight)
        return gated.reshape(x.shape)


def test_a_gate_that_cannot_be_frozen_is_not_learned(tmp_path: Path) -> None:
    torch.manual_seed(1)
    squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Sigmoid())
    layers = nn.Conv2d(1, 8, 3), GroupedGate(), nn.ReLU(), stripe.Gated(nn.Conv2d(8, 8, 3), squeeze)
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()
    images = 3 * torch.randn(64, 1, 10, 10)
    recording = stripe.record(model, [images], tmp_path / "r", progress=False)
    assert len(recording.gates) == 2
    options: Any = {"constants": "optimal", "images": [images], "progress": False}
    frozen = stripe.freeze(model, recording, **options)
    assert sorted(frozen.report["frozen"]) == [False, True]
    assert frozen.comparison is not None
    assert frozen.comparison["gates"].tolist() == [0, 1, 1]
    with torch.no_grad():
        held_out = images[random_halves(64)[1]]
        cost = divergence(model(held_out), frozen.model(held_out)).mean()
    assert frozen.comparison["kl"][2] == pytest.approx(float(cost), rel=1e-2, abs=1e-12)
    with pytest.raises(ModelError, match=r"'1.gate' cannot be frozen: "):
        stripe.freeze(model, recording, gates="1.gate", **options)


def test_the_halves_are_the_same_whatever_the_batches() -> None:
    images = torch.arange(7).view(-1, 1, 1, 1)
    halves = [sorted(half.tolist()) for half in random_halves(7)]
    for sizes in ([7], [1] * 7, [3, 4], [1, 2, 4]):
        found = in_halves(images.split(sizes))
        assert [torch.cat(list(half)).flatten().tolist() for half in found] == halves  # type: ignore[arg-type]


def test_labels_that_alternate_are_in_both_halves() -> None:
    labels = torch.arange(64) % 4
    for half in in_halves(zip(torch.rand(64, 1, 2, 2).split(8), labels.split(8), strict=True)):
        assert {*torch.cat([batch[1] for batch in half]).tolist()} == {0, 1, 2, 3}


def test_no_gate_is_chosen(tmp_path: Path) -> None:
    """As by `gates=report.recommended` of an audit that recommends none."""
    model, x = OneGate(), torch.rand(8, 3, 2, 2)
    recording = stripe.record(model, [x], tmp_path / "r", progress=False)
    reports = [
        stripe.freeze(model, recording, gates=[], constants=c).report for c in CONSTANTS[::2]
    ]
    assert [report.columns.tolist() for report in reports] == [
        REPORT_COLUMNS,
        [*REPORT_COLUMNS, "off", "on", "taken"],
    ]
    assert sum(map(len, reports)) == 0
    with pytest.raises(StripeError, match=r"\Aoptimal constants need at least one gate, and no"):
        stripe.freeze(model, recording, gates=[], constants="optimal", images=[x], progress=False)


def test_bad_input_is_one_line() -> None:
    model, x, means = OneGate(), torch.zeros(4, 3, 2, 2), {"gate": np.full(3, 0.5)}
    with pytest.raises(StripeError, match=r"\Aconstants are mean, optimal, exact, got 'best'\Z"):
        stripe.freeze(model, means, constants="best")
    with pytest.raises(StripeError, match=r"\A.* learned from images; give images=, a loader\Z"):
        stripe.freeze(model, means, constants="optimal")
    with pytest.raises(StripeError, match=r"\Aoptimal constants need at least 2 images, .*got 1\Z"):
        stripe.freeze(model, means, constants="optimal", images=[x[:1]])
    with pytest.raises(ModelError, match=r"\Aa network must output scores of at least 2 classes"):
        stripe.freeze(nn.Sequential(model, nn.Unflatten(1, (4, 1))), {"0.gate": np.full(3, 0.5)},
                      constants="optimal", images=[x], progress=False)  # fmt: skip
    program = torch.export.export(model, (x,))
    with pytest.raises(ModelError, match=r"\Aoptimal constants need gradients of a module, got an"):
        stripe.freeze(program, means, constants="optimal", images=[x])


def run(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert not end.value.code


@pytest.mark.slow
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ["--model", "resnet8_basic", "--attention", "se", "--num-classes", "20"]
    options = [*model, "--images", "photo-patches", "--limit", "24", "--device", "cpu"]
    run(["record", *options, "--out", str(tmp_path / "gates"), "--json"])
    capsys.readouterr()
    arguments = ["--recording", str(tmp_path / "gates"), "--out", str(tmp_path / "w.safetensors")]
    run(["freeze", *options, *arguments, "--constants", "optimal", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [row["constants"] for row in found["comparison"]] == ["none", "mean", "optimal"]
    assert found["comparison"][0]["agreement"] == 1
    assert all(row["gates"] == 3 for row in found["comparison"][1:])
    assert (tmp_path / "w.safetensors").exists()
