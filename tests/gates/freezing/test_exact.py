"""Exact folds: equal to the bit on the recorded images, and what other images change is named."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

import stripe
from stripe.cli import main
from stripe.cli.options.load_network import load_network
from stripe.errors import RecordingError, StripeError
from stripe.stats import channel_moments

#: Of the gates of six channels: which are always 0, always 1, and in between.
WHOLE, PART = [-10.0, 10, -10, 10, 10, -10], [-10.0, 10, 0, 0, -10, 0]


class Squeezed(nn.Module):
    """Two convolutions with a gate between them; `way` is what becomes of the product."""

    def __init__(self, bias: list[float], way: str = "alone") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.way = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 4, 3), way
        squeeze = nn.Conv2d(6, 6, 1)
        nn.init.constant_(squeeze.weight, 0.1)
        squeeze.bias = nn.Parameter(torch.tensor(bias))
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), squeeze, nn.Hardsigmoid())

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        product = y * self.gate(y)
        if self.way == "residual":
            product = y + product
        if self.way == "shortcut":
            product = product + x.mean(1, keepdim=True)
        scores: Tensor = self.last(product)
        return scores


@pytest.fixture
def images() -> Tensor:
    return torch.randn(20, 3, 4, 4, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def equal(one: nn.Module, other: nn.Module, images: Tensor) -> bool:
    return torch.equal(one.eval()(images), other.eval()(images))


def frozen(model: nn.Module, images: Tensor, folder: Path) -> stripe.Frozen:
    recording = stripe.record(model, [images], folder / "r", progress=False)
    return stripe.freeze(model, recording, constants="exact")


def test_a_gate_of_zeros_and_ones_is_folded(images: Tensor, tmp_path: Path) -> None:
    model = Squeezed(WHOLE)
    found = frozen(model, images, tmp_path)
    (row,) = found.report.to_dict("records")
    assert (row["frozen"], row["folded"], row["into"]) == (True, True, "first")
    assert (row["off"], row["on"], row["taken"]) == (3, 3, 6)
    left: Any = found.model
    assert not left.first.weight[[0, 2, 5]].any()
    assert torch.equal(left.first.weight[[1, 3, 4]], model.first.weight[[1, 3, 4]])
    assert equal(model, found.model, images)
    assert not equal(model, found.model, 300 * images)  # these open channels
    table = found.assumed
    assert table is not None
    assert table["channel"].tolist() == [0, 1, 2, 3, 4, 5]
    assert table["value"].tolist() == [0, 1, 0, 1, 1, 0]
    assert set(table["n"]) == {20}
    # Zero of 20 has the probability 0.05 where the share is this.
    np.testing.assert_allclose((1 - table["at_most"]) ** 20, 0.05)


def test_closed_channels_of_another_gate_are_taken_out_behind_it(
    images: Tensor, tmp_path: Path
) -> None:
    model = Squeezed(PART)
    found = frozen(model, images, tmp_path)
    (row,) = found.report.to_dict("records")
    assert (row["frozen"], row["folded"], row["into"]) == (False, False, "last")
    assert (row["off"], row["on"], row["taken"]) == (2, 1, 2)
    left: Any = found.model
    assert not left.last.weight[:, [0, 4]].any()
    assert torch.equal(left.last.weight[:, [1, 2, 3, 5]], model.last.weight[:, [1, 2, 3, 5]])
    assert torch.equal(left.first.weight, model.first.weight)  # the gate reads these channels
    assert found.error == 0
    assert equal(model, found.model, images)
    assert not equal(model, found.model, 300 * images)
    assert found.assumed is not None
    assert found.assumed["channel"].tolist() == [0, 4]
    assert [gate.name for gate in stripe.find_gates(found.model, images)] == ["gate"]


@pytest.mark.parametrize(
    ("way", "reason"),
    [("residual", "x + x v is not 0"), ("shortcut", "add in the model reads the product")],
)
def test_what_cannot_be_taken_out_stays(
    way: str, reason: str, images: Tensor, tmp_path: Path
) -> None:
    model = Squeezed(PART, way)
    found = frozen(model, images, tmp_path)
    assert found.report["taken"].tolist() == [0]
    assert reason in found.report["reason"][0]
    assert found.assumed is not None
    assert found.assumed.empty
    assert equal(model, found.model, 300 * images)


def test_a_residual_gate_of_zeros_and_ones_is_folded(images: Tensor, tmp_path: Path) -> None:
    model = Squeezed(WHOLE, "residual")
    found = frozen(model, images, tmp_path)
    assert found.report["folded"].tolist() == [True]
    assert equal(model, found.model, images)  # times 1, and times 2


def test_a_gate_that_is_never_saturated_stays(images: Tensor, tmp_path: Path) -> None:
    model = Squeezed([0.0] * 6)
    found = frozen(model, images, tmp_path)
    assert found.report["reason"][0] == "6 of 6 channels vary, or are neither 0 nor 1"
    assert equal(model, found.model, 300 * images)
    assert found.model is not model


def test_a_gate_that_a_recording_rounds_to_1_stays(images: Tensor, tmp_path: Path) -> None:
    model = Squeezed([20.0] * 6)
    model.gate[2] = nn.Sigmoid()  # 1 - 2e-9
    model, images = model.double(), images.double()
    found = frozen(model, images, tmp_path)
    row = found.report.iloc[0]
    assert (row["frozen"], row["taken"]) == (False, 0)
    assert row["reason"] == "it is float64, and a recording rounds it to float32"
    assert found.assumed is not None
    assert found.assumed.empty
    assert equal(model, found.model, images)
    assert frozen(model.float(), images.float(), tmp_path / "32").report["frozen"][0]


def test_a_gate_that_was_recorded_under_autocast_stays(images: Tensor, tmp_path: Path) -> None:
    model = Squeezed([7.0] * 6)
    model.gate[2] = nn.Sigmoid()  # 0.999, which bfloat16 rounds to 1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        recording = stripe.record(model, [images], tmp_path / "r", progress=False)
    for data in (recording, channel_moments(recording)):
        found = stripe.freeze(model, data, constants="exact")
        assert found.report["reason"][0] == "it is float32, and was bfloat16 when it was recorded"
        assert equal(model, found.model, images)


class Frames(nn.Module):
    """A network that folds the two frames of a clip into its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Squeezed([0.0] * 6)
        self.body.gate[2] = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.body(x.transpose(1, 2).flatten(0, 1))
        return torch.stack(scores.split(x.shape[2])).mean(1)


def test_a_gate_whose_mean_over_frames_is_0_stays(images: Tensor, tmp_path: Path) -> None:
    model = Frames()
    model.body.first = nn.Conv2d(3, 6, 1, bias=False)
    clips = torch.stack([images, -images], 2)  # an odd gate: the frames of a clip cancel
    found = frozen(model, clips, tmp_path)
    assert channel_moments(tmp_path / "r")["max"].abs().max() == 0
    assert (
        found.report["reason"][0] == "it has several rows per image; a recording holds their mean"
    )
    assert equal(model, found.model, clips)


@pytest.mark.slow
def test_a_published_network_with_hard_sigmoids(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model: Any = timm.create_model("mobilenetv3_small_050", num_classes=5).eval()
    gates = [m for name, m in model.named_modules() if name.endswith(".se.conv_expand")]
    for number, expand in enumerate(gates):
        nn.init.zeros_(expand.bias)
        expand.bias.data[:4] = -1000
        expand.bias.data[4:] = 1000 if number < 2 else expand.bias.data[4:]
    images = torch.randn(6, 3, 64, 64)
    found = frozen(model, images, tmp_path)
    assert found.report["frozen"].tolist() == [True, True, *[False] * (len(gates) - 2)]
    assert (found.report["off"] == 4).all()
    assert (found.report["taken"][2:] == 4).all()
    assert equal(model, found.model, images)
    again = stripe.freeze(
        model, channel_moments(tmp_path / "r"), constants="exact", gates="blocks.0*"
    )
    assert len(again.report) == 1


MODULE = """
import timm, torch
def model():
    torch.manual_seed(0)
    network = timm.create_model("mobilenetv3_small_050", num_classes=5)
    network.blocks[0][0].se.conv_expand.bias.data[:3] = -1000
    return network
"""


@pytest.mark.slow
def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "saturated.py").write_text(MODULE)
    model = load_network("saturated:model")
    stripe.record(model, [torch.randn(4, 3, 64, 64)], tmp_path / "r", progress=False)
    arguments = ["freeze", "--model", "saturated:model", "--recording", "r", "--constants", "exact"]
    for end in (["--out", "a.safetensors"], ["--out", "b.safetensors", "--json"]):
        with pytest.raises(SystemExit) as done:
            main([*arguments, *end])
        assert not done.value.code
    text, _, json_text = capsys.readouterr().out.partition("{")
    assert "3 channels were 0 or 1 for all 4 images; others could change them" in text
    found = json.loads("{" + json_text)
    assert [row["channel"] for row in found["assumed"]] == [0, 1, 2]
    assert found["gates"][0]["taken"] == 3


def test_in_place_and_what_is_refused(images: Tensor, tmp_path: Path) -> None:
    model = Squeezed(WHOLE)
    recording = stripe.record(model, [images], tmp_path / "r", progress=False)
    moments = channel_moments(recording)
    with pytest.raises(StripeError, match=r"need the range of every channel: .* got dict"):
        stripe.freeze(model, {"gate": np.ones(6)}, constants="exact")
    with pytest.raises(StripeError, match="are folded; leave fold=False out"):
        stripe.freeze(model, recording, constants="exact", fold=False)
    with pytest.raises(RecordingError, match="hold no epoch 3; they hold"):
        stripe.freeze(model, moments, constants="exact", epoch=3)
    before = model(images)
    found = stripe.freeze(model, moments, constants="exact", inplace=True)
    assert found.model is model
    assert torch.equal(before, model(images))
    assert not isinstance(model.gate, nn.Sequential)
