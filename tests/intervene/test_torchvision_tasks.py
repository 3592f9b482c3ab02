"""Torchvision's segmenter and detector: ablated, frozen and attacked, in small."""

from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

import stripe
from stripe.intervene.ablate import ablate
from stripe.outputs.agreement import agreements
from stripe.outputs.predictions import Boxes, predictions
from stripe.robustness import attack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def segmenter(images: Tensor) -> Any:
    torch.manual_seed(0)
    model = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4
    )
    _measure_norms(model, images)
    return model.eval()


def detector(images: Tensor) -> Any:
    """Return a detector with random weights, small in its heads, so that it finds boxes."""
    torch.manual_seed(0)
    model = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_fpn(
        weights=None, weights_backbone=None, num_classes=3, min_size=64, max_size=64
    )
    _measure_norms(model.backbone, images)
    predictor = model.roi_heads.box_predictor
    for layer in (model.rpn.head.bbox_pred, predictor.bbox_pred, predictor.cls_score):
        layer.weight.data.mul_(0.01 if layer is not predictor.cls_score else 0.1)
    return model.eval()


def _measure_norms(model: nn.Module, images: Tensor) -> None:
    """Normalise by these images, without which a random network has the same output for all."""
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None
            norm.reset_running_stats()
    with torch.no_grad():
        model.train()(images)


@pytest.mark.parametrize("build", [segmenter, detector], ids=["lraspp", "fasterrcnn"])
def test_a_network_that_is_no_classifier(build: Any, images: Tensor) -> None:
    model = build(images)
    quiet: Any = {"progress": False}
    gates = [gate.name for gate in stripe.find_gates(model, images)]
    last = next(gate for gate in reversed(gates) if gate.startswith("backbone"))
    table = ablate(model, images.split(2), None, ["zero"], last, example=images, **quiet)
    with torch.no_grad():
        before = predictions(model(images))
        with stripe.intervene(model, "zero", gates=last, example=images):
            after = predictions(model(images))
    expected = agreements(before, after).mean()
    assert isinstance(before[0], Boxes if build is detector else np.ndarray)
    assert table["agreement"].tolist() == pytest.approx([1, expected], abs=1e-6)
    assert expected < 1
    assert table[["kl", "accuracy"]].isna().all().all()

    channels = {gate.name: gate.channels for gate in stripe.find_gates(model, images)}
    means = {last: np.zeros(channels[last])}
    frozen = stripe.freeze(model, means, images=images.split(2), example=images, **quiet)
    assert frozen.comparison is not None
    with torch.no_grad():
        same = agreements(before, predictions(frozen.model(images))).mean()
    assert frozen.comparison["agreement"].tolist() == pytest.approx([1, same], abs=1e-6)
    assert same < 1

    attacked = attack(model, images.split(2), ["constant:1,0", "constant:0.5,0.5"], **quiet)
    assert attacked["agreement"][0] == 1
    assert attacked["agreement"][1] > 0.99
    assert attacked["agreement"][2] < attacked["agreement"][1]
    assert attacked["accuracy"].isna().all()
