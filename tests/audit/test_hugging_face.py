"""An audit and an ablation of a classifier of Hugging Face, whose output is a ModelOutput."""

from typing import Any

import pytest
import torch
from torch import Tensor

import stripe
from stripe.hooks.mixed import random_halves
from stripe.intervene.ablate import ablate
from stripe.outputs.scores import divergence

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model(images: Tensor) -> Any:
    """Return an EfficientNet of two blocks, whose norms have the statistics of the images."""
    torch.manual_seed(0)
    config = transformers.EfficientNetConfig(
        image_size=32, width_coefficient=0.5, depth_coefficient=0.3, hidden_dim=640, num_labels=5,
        kernel_sizes=[3, 3], in_channels=[32, 16], out_channels=[16, 24], strides=[1, 2],
        depthwise_padding=[], num_block_repeats=[1, 1], expand_ratios=[1, 4], dropout_rate=0.0,
        drop_connect_rate=0.0, initializer_range=0.5, batch_norm_momentum=1.0,
    )  # fmt: skip
    model = transformers.EfficientNetForImageClassification(config).train()
    with torch.no_grad():
        model(images)
    return model.eval()


def logits(model: Any, images: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(images).logits
    return found


def test_an_audit_finds_the_logits(model: Any, images: Tensor) -> None:
    labels = torch.arange(16) % 5
    found = stripe.audit(model, [(images, labels)], None, threshold=0.0, controls=True, rounds=1,
                         progress=False)  # fmt: skip
    assert found.gates["gate"].str.contains("squeeze_excite").tolist() == [True, True]
    held_out = random_halves(16, labels=labels)[1]
    before = logits(model, images[held_out])
    right = (before.argmax(1) == labels[held_out]).float().mean()
    assert found.greedy["accuracy"].iloc[0] == pytest.approx(float(right))
    assert found.greedy["agreement"].iloc[0] == 1
    assert found.greedy["kl"].iloc[-1] > 1e-6
    assert found.ordered_by == "sensitivity"
    assert found.controls is not None
    with stripe.intervene(model, "zero", example=images[:2]):
        expected = divergence(before, logits(model, images[held_out])).mean()
    zero = found.controls.set_index("intervention").loc["zero"]
    assert zero["kl"] == pytest.approx(float(expected), rel=1e-4)


def test_scores_that_a_function_takes_from_the_output(model: Any, images: Tensor) -> None:
    how: Any = {"example": images[:2], "progress": False, "alone": False}
    plain = ablate(model, [images], None, ["zero"], **how)
    named = ablate(model, [images], None, ["zero"], predict=lambda out: out.logits, **how)
    assert plain["kl"][1] > 0
    assert plain.equals(named)
