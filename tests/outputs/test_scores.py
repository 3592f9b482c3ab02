"""Class scores in outputs of any form, their divergence, and what happens where they are NaN."""

from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import stripe
from stripe.errors import ModelError
from stripe.intervene.ablate import ablate
from stripe.intervene.optimal import optimal_constants
from stripe.outputs.predictions import predictions
from stripe.outputs.scores import class_scores, divergence, mean_divergence, position_scores

LOGITS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
FEATURES = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
LOSS = torch.tensor(0.5)


@dataclass
class Plain:
    features: Tensor
    logits: Tensor


@dataclass(slots=True)
class Slotted:
    features: Tensor
    logits: Tensor


Named = namedtuple("Named", "features logits")


@pytest.mark.parametrize(
    "output",
    [
        LOGITS,
        {"features": FEATURES, "logits": LOGITS},
        {"features": FEATURES, "out": LOGITS},
        {"loss": LOSS, "scores": LOGITS, "features": FEATURES},
        Plain(FEATURES, LOGITS),
        Slotted(FEATURES, LOGITS),
        Named(FEATURES, LOGITS),
        (LOSS, LOGITS, FEATURES),
        [None, LOGITS],
    ],
    ids=lambda output: type(output).__name__,
)
def test_the_scores_of_any_output(output: Any) -> None:
    assert torch.equal(class_scores(output), LOGITS)
    assert predictions(output) == LOGITS.argmax(1).tolist()


@pytest.mark.parametrize("output", [torch.zeros(4, 1), torch.zeros(4, 0)])
def test_one_score_for_an_image_predicts_nothing(output: Tensor) -> None:
    """Its argmax is always 0, and its softmax always 1, so that every gate would cost nothing."""
    for read in (class_scores, predictions):
        with pytest.raises(ModelError, match=r"\A[^\n]* scores of at least 2 classes, got .*=.*\Z"):
            read(output)
    with pytest.raises(ModelError, match="at least 2 classes"):
        predictions(output[:, None])  # strings of one symbol


def test_a_network_with_a_softmax_costs_what_it_costs_without(
    small_model: nn.Sequential, images: Tensor
) -> None:
    plain: Any = small_model.eval()
    plain[-1].weight.data.mul_(10)
    ended = nn.Sequential(*plain, nn.Softmax(1))
    means = {"1.gate": np.full(8, 0.5)}
    options: Any = {"example": images, "progress": False}
    one, other = (stripe.sensitivity(m, [images], means, **options) for m in (plain, ended))
    np.testing.assert_allclose(one.matrix, other.matrix, rtol=1e-4)
    tables = [ablate(m, [images], None, ["zero", "one"], **options) for m in (plain, ended)]
    assert tables[0]["kl"].max() > 1e-3
    np.testing.assert_allclose(tables[0]["kl"], tables[1]["kl"], rtol=1e-4, atol=1e-9)
    by_predict = [
        ablate(ended, [images], None, ["zero", "one"], predict=lambda output: output, **options),
        ablate(plain, [images], None, ["zero", "one"], predict=lambda o: o.softmax(1), **options),
    ]
    for table in by_predict:
        np.testing.assert_allclose(tables[0]["kl"], table["kl"], rtol=1e-4, atol=1e-9)
    known = LOGITS.softmax(1)
    assert torch.equal(class_scores(known, lambda output: output), known.log())


def test_a_class_that_is_masked_adds_nothing() -> None:
    p = torch.tensor([[1.0, 2.0, -torch.inf]], requires_grad=True)
    q = torch.tensor([[2.0, 1.0, -torch.inf]], requires_grad=True)
    expected = divergence(p[:, :2], q[:, :2])
    assert divergence(p, q).item() == pytest.approx(expected.item())
    (slope,) = torch.autograd.grad(divergence(p.detach(), q).sum(), q)
    assert slope.isfinite().all()
    assert divergence(torch.zeros(1, 3), q).item() == float("inf")


def test_an_interval_that_is_not_known_is_nan() -> None:
    one, missing = torch.tensor([0.5]).double(), torch.tensor([0.5, torch.nan]).double()
    assert np.isnan(mean_divergence(one)[1:]).all()
    assert np.isnan(mean_divergence(missing)).all()


class Some(nn.Module):
    """A network whose scores are NaN for bright images, or where its gates are 0."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body, self.squeeze, self.norm = body, nn.Sigmoid(), nn.Linear(1, 3)

    def forward(self, x: Tensor) -> Tensor:
        bright = x.mean((1, 2, 3)) > 1
        x = x.repeat(1, 3, 1, 1)
        y = x * self.squeeze(x.mean((2, 3), keepdim=True))
        size = y.mean((1, 2, 3))[:, None]
        scores: Tensor = self.norm(size / size.abs())
        return scores.where(~bright[:, None], torch.nan)


@pytest.fixture
def fragile() -> Some:
    torch.manual_seed(0)
    return Some(nn.Identity()).eval()


def test_a_network_that_puts_out_nan_is_refused(fragile: Some, images: Tensor) -> None:
    images = images.clone()
    images[3] += 5
    message = r"\Aa network must output numbers, got NaN for 1 of 10 images of a batch; [^\n]*\Z"
    means = {"squeeze": np.full(3, 0.5)}
    options: Any = {"example": images, "progress": False}
    with pytest.raises(ModelError, match=message):
        stripe.sensitivity(fragile, [images], means, **options)
    with pytest.raises(ModelError, match=message):
        ablate(fragile, [images], None, ["one"], **options)
    with pytest.raises(ModelError, match=r"\A[^\n]*from a finite divergence, got nan; .*\Z"):
        optimal_constants(fragile, [images], means, **options)
    with pytest.raises(ModelError, match=r"got NaN for 1 of 20 images"):
        stripe.audit(fragile, [images.repeat(4, 1, 1, 1)], None, rounds=1, progress=False)


def test_scores_that_become_nan_count_as_changed(fragile: Some, images: Tensor) -> None:
    labels = torch.zeros(10, dtype=torch.long)
    table = ablate(fragile, [(images, labels)], None, ["zero"], example=images, progress=False)
    assert table["agreement"].tolist() == [1, 0]
    assert table["accuracy"][1] == 0
    assert table["kl"][0] == 0
    assert table.loc[1, ["kl", "kl_low", "kl_high"]].isna().all()


def test_no_gradients_is_one_line(small_model: nn.Module, images: Tensor, tmp_path: Path) -> None:
    recording = stripe.record(small_model.eval(), [images], tmp_path / "r", progress=False)
    for measure in (stripe.sensitivity, optimal_constants):
        with (
            pytest.raises(ModelError, match=r"\A[^\n]* needs gradients .* inference_mode\Z"),
            torch.inference_mode(),
        ):
            measure(small_model, [images], recording, progress=False)


def test_every_form_has_scores_of_its_positions() -> None:
    logits = torch.randn(3, 2, 4, 5, generator=torch.Generator().manual_seed(0))
    p = logits.softmax(1)
    on = p[:, 1:]
    forms = {
        "map": logits,
        "map of probabilities": p,
        "mask": on,
        "mask of logits": logits[:, 1:] - logits[:, :1],
        "strings": logits.flatten(2).transpose(1, 2),
        "a dictionary": {"out": logits, "aux": on},
    }
    expected = p.flatten(2)
    for name, output in forms.items():
        found = position_scores(output)
        torch.testing.assert_close(found.softmax(1), expected, msg=name)
    asked = position_scores(p.flatten(), lambda output: output.view(3, 2, 4, 5).log())
    torch.testing.assert_close(asked.softmax(1), expected)
    assert torch.equal(position_scores(LOGITS)[..., 0], class_scores(LOGITS))


def test_divergences_of_positions_add() -> None:
    p, q = torch.randn(2, 3, 4, 7, generator=torch.Generator().manual_seed(0)).unbind()
    one_by_one = sum(divergence(p[..., k], q[..., k]) for k in range(7))
    torch.testing.assert_close(divergence(p, q), one_by_one)


def test_other_forms_are_refused() -> None:
    with pytest.raises(ModelError, match=r"\A.*maps \(B, classes, H, W\), got \(1, 2, 3, 4, 5\)"):
        position_scores(torch.zeros(1, 2, 3, 4, 5))
    with pytest.raises(ModelError, match=r"\A.* at least 2 classes, got \(2, 1, 4\)"):
        position_scores(torch.zeros(2, 4, 1))
    with pytest.raises(ModelError, match=r"\A.* class scores .*got \(3,\)"):
        position_scores(torch.zeros(3))
