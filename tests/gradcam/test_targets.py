"""Average Grad-CAM of models that are no plain classifiers, and of functions of their output."""

from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn

import stripe
from stripe.errors import ModelError

IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Wrapped(nn.Module):
    """A classifier that returns its scores in something, as other libraries do."""

    def __init__(self, wrap: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = stripe.build("resnet8_basic", attention="se", num_classes=5).eval()
        self.wrap = wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.net(x))


class Masks(nn.Module):
    """A segmentation as the library takes it, with a tensor that has a row per image."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        masks: Tensor = self.model(x)["out"]
        return masks


def mapped(model: nn.Module, target: Any, **options: Any) -> np.ndarray:
    layer = next(name for name, _ in model.named_modules() if name.endswith("layer2"))
    return np.asarray(
        stripe.mean_cam(model, [IMAGES], layer, target=target, progress=False, **options)
    )


@pytest.mark.parametrize(
    "wrap",
    [
        lambda scores: {"loss": scores.sum(), "logits": scores},
        lambda scores: (scores, scores.mean()),
    ],
)
@pytest.mark.parametrize("target", ["predicted", 3])
def test_scores_are_found_in_other_outputs(wrap: Any, target: Any) -> None:
    expected = mapped(Wrapped(lambda scores: scores), target)
    assert expected.max() > 0
    np.testing.assert_array_equal(mapped(Wrapped(wrap), target), expected)


def test_a_function_of_the_output_is_explained() -> None:
    model = Wrapped(lambda scores: {"logits": scores})
    of_class = mapped(model, lambda output: output["logits"][:, 3])
    np.testing.assert_array_equal(of_class, mapped(model, 3))
    difference = mapped(model, lambda output: output["logits"][:, 3] - output["logits"][:, 1])
    assert np.abs(difference - of_class).max() > 1e-3


def test_a_class_of_a_segmentation_equals_the_librarys() -> None:
    torch.manual_seed(0)
    build: Any = torchvision.models.segmentation.lraspp_mobilenet_v3_large
    model = build(weights=None, weights_backbone=None, num_classes=4).eval()
    layer = "backbone.16"
    ours = stripe.mean_cam(
        model, [IMAGES], layer, target=lambda output: output["out"][:, 2].sum((1, 2)),
        maps=True, progress=False,
    )  # fmt: skip

    with GradCAM(Masks(model), [model.get_submodule(layer)]) as cam:
        theirs = cam(IMAGES, [lambda masks: masks[2].sum()] * len(IMAGES))
    assert ours.maps is not None
    np.testing.assert_allclose(ours.maps, theirs, atol=1e-5)
    with pytest.raises(ModelError, match=r"got \(4, 4, 32, 32\); give target=, a function"):
        stripe.mean_cam(model, [IMAGES], layer, progress=False)


@pytest.mark.parametrize(
    ("target", "match"),
    [
        (lambda output: output["logits"], r"one score per image, \(4,\), got \(4, 5\)"),
        (lambda output: output["logits"].sum(), r"one score per image, \(4,\), got \(\)"),
        (lambda output: 1.0, r"one score per image, \(4,\), got float"),
        (lambda output: torch.ones(4), r"must depend on layer 'net.layer2' by a gradient"),
    ],
)
def test_targets_that_explain_nothing(target: Any, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        mapped(Wrapped(lambda scores: {"logits": scores}), target)


def test_other_methods_take_no_function() -> None:
    with pytest.raises(ModelError, match="which EigenCAM does not take; use GradCAM"):
        mapped(Wrapped(lambda scores: scores), lambda scores: scores[:, 0], method="EigenCAM")
