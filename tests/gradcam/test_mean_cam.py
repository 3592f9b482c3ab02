"""Average Grad-CAM maps."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

import stripe
from stripe.errors import ModelError, StripeError, UnknownNameError
from stripe.gradcam import MeanCam
from stripe.gradcam.mean import central_share
from stripe.gradcam.planes import as_planes

IMAGES = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([3, 1, 4, 1, 5, 9])


def patches(tokens: Tensor) -> Tensor:
    return tokens[:, 1:].reshape(len(tokens), 4, 4, -1).permute(0, 3, 1, 2)


NETWORKS: dict[str, tuple[Any, str, Any]] = {
    "resnet": (lambda: torchvision.models.resnet18(num_classes=10), "layer4.1", None),
    "early layer": (lambda: torchvision.models.resnet18(num_classes=10), "layer2.0", None),
    "mobilenet": (
        lambda: torchvision.models.mobilenet_v3_small(num_classes=10),
        "features.12",
        None,
    ),
    "vit": (
        lambda: timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=10, depth=3),
        "blocks.2.norm1",
        patches,
    ),
    "se": (lambda: stripe.build("resnet20", attention="se", num_classes=10), "layer3.1", None),
}


def lively(model: nn.Module) -> Any:
    """Let no norm start at zero, where no gradient would pass."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
    return model.eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("target", ["predicted", "label", 2])
def test_every_map_equals_the_librarys(name: str, target: Any) -> None:
    build, layer, reshape = NETWORKS[name]
    torch.manual_seed(0)
    model = lively(build())
    ours = stripe.mean_cam(
        model,
        [(IMAGES[:4], LABELS[:4]), (IMAGES[4:], LABELS[4:])],
        layer,
        target=target,
        maps=True,
        progress=False,
    )
    targets = {"predicted": None, "label": LABELS.tolist(), 2: [2] * 6}[target]
    wanted = None if targets is None else [ClassifierOutputTarget(number) for number in targets]
    with GradCAM(model, [model.get_submodule(layer)], reshape_transform=reshape) as cam:
        theirs = cam(IMAGES, wanted)
    assert ours.maps is not None
    assert target != "predicted" or theirs.max() > 0.5
    np.testing.assert_allclose(ours.maps, theirs, atol=1e-4)
    np.testing.assert_allclose(ours.mean, theirs.mean(0), atol=1e-4)
    np.testing.assert_allclose(ours.mean_image, IMAGES.mean(0), atol=1e-6)
    assert ours.n_images == 6
    assert np.asarray(ours).shape == (64, 64)


class ByHand(nn.Module):
    """Score k is the mean of channel k, so that the map is channel k itself."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Identity()

    def forward(self, x: Tensor) -> Any:
        return self.features(x).mean((2, 3))


def test_by_hand() -> None:
    image = torch.zeros(1, 2, 4, 4)
    image[0, 1, 1, 2], image[0, 1, 3, 3], image[0, 1, 0, 0] = 4.0, 2.0, -5.0
    found = stripe.mean_cam(ByHand(), [image], "features", target=1, progress=False)
    expected = np.zeros((4, 4))
    expected[1, 2], expected[3, 3] = 1, 0.5
    np.testing.assert_allclose(found.mean, expected, atol=1e-6)
    assert found.central_share == pytest.approx(1 / 1.5)


def test_the_central_quarter() -> None:
    assert central_share(np.ones((7, 10))) == pytest.approx(0.25)
    corner = np.zeros((8, 8))
    corner[0, 0] = 1
    assert central_share(corner) == 0
    assert np.isnan(central_share(np.zeros((3, 3))))


def test_the_model_is_left_as_it_was() -> None:
    model = lively(torchvision.models.resnet18(num_classes=10)).train()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
        parameter.requires_grad_(parameter.ndim > 1)
    flags = [parameter.requires_grad for parameter in model.parameters()]
    state = copy.deepcopy(model.state_dict())
    for method in ("GradCAM", "EigenCAM"):
        stripe.mean_cam(model, [IMAGES], "layer4", method=method, progress=False)
        assert model.training
        assert torch.is_grad_enabled()
        assert [parameter.requires_grad for parameter in model.parameters()] == flags
        assert all((parameter.grad == 1).all() for parameter in model.parameters())
        assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())
        assert not any(module._forward_hooks for module in model.modules())


def test_frozen_models_and_no_grad_work() -> None:
    model = lively(torchvision.models.resnet18(num_classes=10))
    expected = stripe.mean_cam(model, [IMAGES], "layer4", progress=False)
    model.requires_grad_(False)
    with torch.no_grad():
        found = stripe.mean_cam(model, [IMAGES], "layer4", progress=False)
    np.testing.assert_array_equal(found.mean, expected.mean)
    assert found.mean.max() > 0


def test_other_methods_are_the_librarys() -> None:
    from pytorch_grad_cam import LayerCAM

    model = lively(torchvision.models.resnet18(num_classes=10))
    ours = stripe.mean_cam(model, [IMAGES], "layer4", method="LayerCAM", maps=True, progress=False)
    with LayerCAM(model, [model.layer4]) as cam:
        np.testing.assert_allclose(np.asarray(ours.maps), cam(IMAGES, None), atol=1e-5)


def test_an_activation_in_place_after_the_layer() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    plain = copy.deepcopy(model)
    plain[1] = nn.ReLU()
    left, right = (stripe.mean_cam(m, [IMAGES], "0", progress=False) for m in (model, plain))
    np.testing.assert_array_equal(left.mean, right.mean)


def test_errors_say_what_to_do() -> None:
    model = torchvision.models.resnet18(num_classes=10)

    def cam(layer: str, network: nn.Module = model, loader: Any = (IMAGES,), **options: Any) -> Any:
        return stripe.mean_cam(network, loader, layer, progress=False, **options)

    with pytest.raises(UnknownNameError, match=r"no layer 'layer5'; nearest: layer\d"):
        cam("layer5")
    with pytest.raises(ModelError, match="one layer, and it chose 4: layer1, layer2, "):
        cam("layer?")
    with pytest.raises(ModelError, match=r"got \(6, 10\); choose a layer before the pooling"):
        cam("fc")
    with pytest.raises(ModelError, match="at least one image, got none"):
        cam("layer4", loader=[])
    with pytest.raises(ModelError, match=r"needs a loader of \(images, labels\)"):
        cam("layer4", target="label")
    with pytest.raises(ModelError, match="a class lies between 0 and 9, got 10"):
        cam("layer4", target=10)
    with pytest.raises(UnknownNameError, match="no method 'NoCAM'; it has: GradCAM"):
        cam("layer4", method="NoCAM")
    with pytest.raises(ModelError, match="must output one tensor, got two outputs in one pass"):
        cam("layer1.0.relu")
    with pytest.raises(ModelError, match="must all have one size"):
        cam("layer3", loader=[IMAGES, IMAGES[..., :32, :32]])
    with pytest.raises(ModelError, match=r"class scores \(B, classes\) from the model"):
        cam("7", nn.Sequential(*list(model.children())[:-2]))
    with pytest.raises(ModelError, match=r"18 tokens of layer 'blocks\.0' must be a grid"):
        as_planes(torch.zeros(1, 18, 8), nn.Identity(), (64, 48), "blocks.0")


def test_tokens_of_a_grid_that_is_not_square() -> None:
    tokens = torch.arange(13.0).view(1, 13, 1)  # one class token and 4 x 3 patches
    planes = as_planes(tokens, nn.Identity(), (64, 48), "blocks.0")
    assert planes[0, 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]


def test_channels_last_features_are_told_by_the_form_of_the_images() -> None:
    """Swin outputs (B, H, W, C)."""
    torch.manual_seed(0)
    model = torchvision.models.swin_t(num_classes=10).eval()
    layer = model.get_submodule("features.7")
    with GradCAM(model, [layer], reshape_transform=lambda x: x.permute(0, 3, 1, 2)) as cam:
        theirs = cam(IMAGES[:2], [ClassifierOutputTarget(3)] * 2)
    ours = stripe.mean_cam(
        model, [IMAGES[:2]], "features.7", target=np.int64(3), maps=True, progress=False
    )
    assert ours.maps is not None
    np.testing.assert_allclose(ours.maps, theirs, atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "message"), [("avgpool", "no spatial output"), ("fc", "must output features")]
)
def test_layers_without_a_plane(layer: str, message: str) -> None:
    model = lively(torchvision.models.resnet18(num_classes=10))
    with pytest.raises(ModelError, match=message):
        stripe.mean_cam(model, [IMAGES], layer, progress=False)


def test_patches_that_the_scores_do_not_read() -> None:
    """A ViT reads its class token: behind the last attention no patch reaches the scores."""
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=10, depth=2)
    with pytest.raises(ModelError, match="zero at every position"):
        stripe.mean_cam(model.eval(), [IMAGES], "blocks.1", progress=False)


def test_a_class_that_does_not_exist_by_a_method_of_the_library() -> None:
    model = lively(torchvision.models.resnet18(num_classes=10))
    with pytest.raises(ModelError, match="HiResCAM failed"):
        stripe.mean_cam(model, [IMAGES], "layer4.1", target=99, method="HiResCAM", progress=False)


def test_a_layer_is_a_module_or_its_name() -> None:
    model = stripe.build("resnet11", num_classes=3, in_channels=1, seed=0)
    images = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    named = stripe.mean_cam(model, [images], "layer3", progress=False)
    third: Any = lambda layer: layer.name == "layer3"  # noqa: E731
    for layer in (model.get_submodule("layer3"), "layer3", ["layer[3]"], third):
        given = stripe.mean_cam(model, [images], layer, progress=False)
        np.testing.assert_array_equal(given.mean, named.mean)
    with pytest.raises(
        ModelError, match="must be a module of the model, and this Conv2d is not one"
    ):
        stripe.mean_cam(model, [images], nn.Conv2d(1, 1, 1), progress=False)


def test_every_damaged_file_of_a_map_is_named(tmp_path: Path) -> None:
    """Each byte flipped, and the file cut at each length: one line, or the same map."""
    rng = np.random.default_rng(0)
    whole = MeanCam(rng.random((3, 3)), rng.random((1, 3, 3)), 2, 0.3, 0.25)
    file = tmp_path / "cam.npz"
    whole.save(file)
    content = file.read_bytes()
    flipped = [
        content[:n] + bytes([content[n] ^ 255]) + content[n + 1 :] for n in range(len(content))
    ]
    for damaged in (*flipped, *(content[:n] for n in range(len(content)))):
        file.write_bytes(damaged)
        try:
            read = MeanCam.load(file)
        except StripeError:
            continue
        np.testing.assert_array_equal(read.mean, whole.mean)
        np.testing.assert_array_equal(read.mean_image, whole.mean_image)
