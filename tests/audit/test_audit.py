"""Audits of networks in Python."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

import stripe
from stripe.asr import Gated
from stripe.errors import ModelError, StripeError


class Lookup(nn.Module):
    """A gate of two channels: a constant, or one that tells bright images from dark ones."""

    def __init__(self, constant: bool) -> None:
        super().__init__()
        self.constant = constant

    def forward(self, y: Tensor) -> Tensor:
        bright = torch.sigmoid(50 * y.mean((1, 2, 3), keepdim=True))
        gate = torch.cat([bright, 1 - bright], 1)
        return (
            torch.sigmoid(0 * gate + torch.tensor([1.0, 2.0]).view(1, 2, 1, 1))
            if self.constant
            else gate
        )


def network() -> nn.Sequential:
    """Return a network whose class is the brighter channel, which only its second gate decides."""
    spread = nn.Conv2d(1, 2, 1, bias=False)
    nn.init.ones_(spread.weight)
    return nn.Sequential(
        Gated(spread, Lookup(constant=True)),
        Gated(nn.Identity(), Lookup(constant=False)),
        nn.Softplus(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def bright_and_dark(count: int) -> tuple[Tensor, Tensor]:
    """Return images whose labels alternate, as those of a balanced sampler do."""
    labels = torch.arange(count) % 2
    noise = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    return (2 * labels - 1).view(-1, 1, 1, 1) + 0.1 * noise, labels


def test_a_constant_gate_freezes_and_a_telling_one_does_not(tmp_path: Path) -> None:
    images, labels = bright_and_dark(40)
    out = tmp_path / "report.html"
    found = stripe.audit(network(), [(images, labels)], out, rounds=1, progress=False)
    assert found.n_images == (20, 20)
    assert found.recommended == ["0.gate"]
    assert found.greedy["frozen"].tolist() == [0, 1, 2]
    assert found.greedy["agreement"].tolist()[:2] == [1, 1]
    assert found.greedy["agreement"].iloc[2] == 0.5  # both classes are in both halves
    assert found.gates["gate"].tolist() == ["0.gate", "1.gate"]
    assert found.gates["relative_spread"].tolist()[0] == pytest.approx(0, abs=1e-6)
    assert found.gates["folded"].tolist() == [True, True]
    assert set(found.milliseconds) == {"gates", "frozen", "batch_size"}
    gates, frozen = found.milliseconds["gates"], found.milliseconds["frozen"]
    assert found.attention_share == pytest.approx(1 - frozen / gates)  # of the only round
    shares = found.gates.set_index("gate")[["channel", "class", "image"]]
    assert shares.sum(axis=1).tolist() == pytest.approx([1, 1])
    assert shares["class"].iloc[1] > 0.95  # bright or dark is the class
    page = out.read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "1 of 2 gates can be frozen" in page
    assert "<th>measured cost</th><th>predictions kept</th>" in page  # of the first gate alone
    assert not re.search(r'(src|href)="(?!data:)', page)  # nothing outside the file
    assert json.loads(json.dumps(found.to_json()))["recommended"] == ["0.gate"]


class Stuck(nn.Module):
    """A gate of one value, whatever comes in."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = logit

    def forward(self, y: Tensor) -> Tensor:
        return torch.sigmoid(0 * y.mean((2, 3), keepdim=True) + self.logit)


@pytest.mark.parametrize("logit", [0.0, -200.0])  # gates of 0.5 and of 0
def test_a_gate_of_one_value_is_called_constant(tmp_path: Path, logit: float) -> None:
    images, labels = bright_and_dark(40)
    model = network()
    model[1].gate = Stuck(logit)
    report = stripe.audit(
        model, [(images, labels)], out=tmp_path / "report.html", rounds=1, progress=False
    )
    assert report.gates["one_value"].tolist() == [False, True]
    assert report.gates["eta2"].tolist() == [1, 1]
    assert report.gates["relative_spread"].tolist() == pytest.approx([0, 0], abs=1e-6)
    page = " ".join((tmp_path / "report.html").read_text().split())
    assert "1.000 (one value)" in page
    closed = logit < 0
    assert report.gates["off"].tolist() == report.gates["exact"].tolist() == [0, closed]
    assert report.gates["on"].tolist() == [0, 0]
    assert ("2 of 4 channels are exactly 0 or 1 for all of them." in page) == closed
    assert ("have only such channels: 1." in page) == closed
    assert ("No channel is exactly 0 or 1" in page) != closed
    for option in ("alone", "controls", "optimal"):
        assert f"<code>--{option}</code>" in page


@pytest.mark.slow
@pytest.mark.parametrize("attention", [None, "se"])
def test_a_network_with_asr_is_audited(tmp_path: Path, attention: str | None) -> None:
    torch.manual_seed(0)
    model = stripe.build(
        "resnet8_basic", attention=attention, asr="se", num_classes=10, in_channels=1
    )
    data = [(torch.randn(40, 1, 28, 28), torch.arange(40) % 10)]
    report = stripe.audit(model, data, out=tmp_path / "r.html", rounds=1, progress=False)
    constant = report.gates["kind"] == "constant"
    assert constant.sum() == 3
    assert report.gates["frozen"].all()
    assert (report.gates["predicted_kl"][constant] == 0).all()
    assert report.ordered_by == ("sensitivity" if attention else "relative_spread")
    costs = report.greedy["predicted_kl"].dropna()
    assert costs.is_monotonic_increasing
    assert (costs[:1] == 0).all()
    assert len(report.recommended) == len(report.gates)


def test_few_images_leave_open_whether_gates_freeze(tmp_path: Path) -> None:
    """And a negative time is not told as a share of the time."""
    images, labels = bright_and_dark(40)
    options: Any = {"rounds": 1, "progress": False, "threshold": 0.99}
    found = stripe.audit(network(), [(images, labels)], None, **options)
    row: dict[str, Any] = {
        "frozen": [0, 1],
        "agreement": [1.0, 0.95],
        "agreement_high": [1.0, 0.995],
    }
    greedy = found.greedy.iloc[[0, -1]].assign(**row)
    slow: Any = {"recommended": [], "attention_share_quartiles": (-4.39, 0.91)}
    few = replace(found, greedy=greedy, **slow)
    assert (few.undecided, few.timed) == (True, False)
    assert not replace(few, greedy=greedy.assign(agreement_high=[1.0, 0.98])).undecided
    assert not replace(few, recommended=found.order[:1]).undecided
    assert replace(few, attention_share_quartiles=(0.1, 0.3)).timed


def test_labels_are_left_out_where_there_are_none(tmp_path: Path) -> None:
    images, _ = bright_and_dark(20)
    found = stripe.audit(network(), [images], None, rounds=1, progress=False, threshold=0.1)
    assert found.greedy["accuracy"].isna().all()
    assert found.recommended == ["0.gate", "1.gate"]
    assert found.out is None


@pytest.mark.parametrize(
    "predict",
    [lambda o: o.argmax(1), lambda o: o.argmax(1).numpy(), lambda o: iter(o.argmax(1))],
    ids=["tensor", "array", "iterator"],
)
def test_predictions_may_be_tensors_or_arrays(predict: Any) -> None:
    images, labels = bright_and_dark(40)
    options: Any = {"batch_size": 8, "rounds": 1, "progress": False, "curve": True}
    usual = stripe.audit(network(), [(images, labels)], None, **options)
    found = stripe.audit(network(), [(images, labels)], None, predict=predict, **options)
    assert found.greedy.equals(usual.greedy)
    assert found.greedy["accuracy"].notna().all()


@pytest.mark.parametrize("none", [3, None, torch.tensor(1)])
def test_predictions_that_are_none(none: Any) -> None:
    images, _ = bright_and_dark(40)
    with pytest.raises(StripeError, match=r"\Apredict= must return one prediction for each image"):
        stripe.audit(network(), [images], None, predict=lambda output: none, progress=False)


@pytest.mark.slow
def test_the_model_is_left_as_it_was() -> None:
    model = timm.create_model("seresnet18", num_classes=5).train()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = torch.randn(8, 3, 64, 64)
    found = stripe.audit(model, [images], None, curve=True, rounds=1, progress=False)
    assert len(found.greedy) == 9
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    images, _ = bright_and_dark(20)
    with pytest.raises(StripeError, match="at least 4 images, got 3"):
        stripe.audit(network(), [images[:3]], None)
    with pytest.raises(ModelError, match="no gates were found in this Sequential"):
        stripe.audit(nn.Sequential(nn.Conv2d(1, 2, 1)), [images], None)
    with pytest.raises(ModelError, match=r"class scores \(B, classes\), .* got shape \(20,\)"):
        stripe.audit(nn.Sequential(network(), nn.Flatten(0)), [images], None, progress=False)
    with pytest.raises(StripeError, match=r"between 0 and 1, got 99\.0"):
        stripe.audit(network(), [images], None, threshold=99.0)
    with pytest.raises(StripeError, match="must all have one size"):
        stripe.audit(network(), [images, torch.zeros(2, 1, 5, 5)], None)
    (tmp_path / "file").touch()
    with pytest.raises(StripeError, match=r"cannot write .*file is not a folder"):
        stripe.audit(network(), [images], tmp_path / "file" / "r.html", rounds=1, progress=False)
