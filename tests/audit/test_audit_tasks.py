"""Audits of networks that are no classifiers."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

import stripe
from stripe.errors import StripeError


@pytest.fixture
def images() -> Tensor:
    return torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
def test_a_segmentation_network(images: Tensor) -> None:
    torch.manual_seed(0)
    model = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4
    )
    found = stripe.audit(model, [images], None, rounds=1, progress=False)
    assert found.greedy["agreement"].iloc[0] == 1
    assert found.greedy["frozen"].iloc[-1] == len(found.gates) > 8
    assert found.greedy["accuracy"].isna().all()


@pytest.mark.slow
def test_a_detector(images: Tensor) -> None:
    torch.manual_seed(0)
    model = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_fpn(
        weights=None, weights_backbone=None, num_classes=3, min_size=64, max_size=64
    )
    found = stripe.audit(model, [images], None, batch_size=4, rounds=1, progress=False)
    assert found.greedy["agreement"].iloc[0] == 1
    assert found.greedy["agreement"].between(0, 1).all()
    assert found.greedy["frozen"].iloc[-1] > 5


class Embedding(nn.Module):
    """A network that puts out vectors (B, D, 1, 1, 1), which are no predictions."""

    def __init__(self) -> None:
        super().__init__()
        self.body = stripe.build("resnet8_basic", attention="se", num_classes=6, in_channels=3)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.body(x)
        return scores[..., None, None, None]


@pytest.mark.slow
def test_predictions_and_agreement_of_ones_own(images: Tensor, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Embedding()

    def vectors(output: Tensor) -> list[Tensor]:
        return list(output.flatten(1).cpu())

    def cosine(one: Tensor, other: Tensor) -> float:
        return float(torch.cosine_similarity(one, other, dim=0).clamp(0, 1))

    page = tmp_path / "report.html"
    found = stripe.audit(
        model, [images], page, predict=vectors, agree=cosine, controls=True, rounds=1,
        progress=False,
    )  # fmt: skip
    assert found.greedy["agreement"].iloc[0] == pytest.approx(1)
    assert 0.5 < found.greedy["agreement"].iloc[-1] <= 1
    assert found.controls is not None
    mean = found.controls.set_index("intervention")["agreement"]["mean"]
    assert mean == pytest.approx(found.greedy["agreement"].iloc[-1], abs=1e-5)
    assert found.controls["kl"].isna().all()
    assert "Controls" in page.read_text()
    with pytest.raises(StripeError, match="one prediction for each image, got 8 for 4 images"):
        stripe.audit(model, [images], None, predict=lambda o: [*o, *o], agree=cosine, rounds=1)
