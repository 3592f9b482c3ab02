"""Features of a VGG16: whose weights, and which are refused."""

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torchvision.models import VGG16_Weights

from stripe.data import DeviceLoader, load_dataset
from stripe.errors import StripeError
from stripe.style.features import VGGFeatures, describe_features, load_features
from stripe.style.losses import gram, losses, style_of

NARROW = ((2, 2), (4, 4), (8, 8, 8), (16, 16, 16))


def test_a_file_of_torchvisions_vgg16(tmp_path: Path) -> None:
    """The maps are those that torchvision's network computes."""
    reference = torchvision.models.vgg16(weights=None).eval()
    torch.save(reference.state_dict(), tmp_path / "vgg16.pth")
    network = load_features(str(tmp_path / "vgg16.pth"))
    images = torch.rand(2, 3, 32, 32)
    maps = network(images)
    x = torchvision.transforms.v2.functional.normalize(
        images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    )
    for features, last in zip(maps, (3, 8, 15, 22), strict=True):
        torch.testing.assert_close(features, reference.features[: last + 1](x))
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_features_that_were_trained_on_bundled_data(tmp_path: Path) -> None:
    """A narrow VGG16 learns a little, is written, and is read with its own widths."""
    train = load_dataset("fashion-mini", "train").head(512)
    network = VGGFeatures(NARROW).requires_grad_(True)
    head = nn.Linear(16, 10)
    optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=3e-3)
    losses_of = []
    for epoch in range(6):
        for images, labels in DeviceLoader(train, 64, shuffle=True, seed=epoch):
            maps = network(images.expand(-1, 3, -1, -1))
            loss = F.cross_entropy(head(maps[-1].mean((2, 3))), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses_of.append(loss.item())
    assert sum(losses_of[-8:]) < sum(losses_of[:8])  # the last epoch, the first
    file = tmp_path / "narrow.safetensors"
    save_file(network.state_dict(), file)
    loaded = load_features(str(file))
    assert [m.shape[1] for m in loaded(torch.rand(1, 3, 16, 16))] == [2, 4, 8, 16]
    for name, value in network.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])


def test_random_features_have_a_seed_and_say_so() -> None:
    first, again, other = (load_features("random:4", seed=seed) for seed in (0, 0, 1))
    weights = [network.state_dict()["features.0.weight"] for network in (first, again, other)]
    assert len(weights[0]) == 4
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert "random weights (seed 1)" in describe_features("random:4", seed=1)
    with pytest.raises(StripeError, match="random:WIDTH"):
        load_features("random:x")


def test_foreign_and_damaged_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StripeError, match=r"gone.pth does not exist; features are"):
        load_features(str(tmp_path / "gone.pth"))
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(b"nothing")
    with pytest.raises(StripeError, match=r"damaged.pth is not a file of weights"):
        load_features(str(damaged))
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "resnet.pth")
    with pytest.raises(StripeError, match=r"of another architecture: a VGG16 has features\.0"):
        load_features(str(tmp_path / "resnet.pth"))
    state = VGGFeatures(NARROW).state_dict()
    state["features.2.weight"] = torch.zeros(2, 3, 3, 3)
    torch.save(state, tmp_path / "wrong.pth")
    with pytest.raises(StripeError, match=r"must have the shape \(2, 2, 3, 3\), got \(2, 3"):
        load_features(str(tmp_path / "wrong.pth"))


def test_weights_that_cannot_be_fetched_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(type(VGG16_Weights.IMAGENET1K_V1), "get_state_dict", offline)
    with pytest.raises(StripeError, match=r"could not be fetched .*--features FILE"):
        load_features()


def test_losses_are_zero_for_equals_and_by_the_formula() -> None:
    network = load_features("random:4")
    photograph, painting = torch.rand(2, 3, 32, 32), torch.rand(3, 32, 32)
    style = style_of(network, painting)
    same = losses(network, photograph, photograph, style)
    assert float(same.content) == 0
    assert float(losses(network, painting[None], painting[None], style).style) < 1e-10

    stylised = torch.rand(2, 3, 32, 32)
    found = losses(network, stylised, photograph, style)
    maps, kept, of_painting = (
        [m.double().numpy() for m in network(images)]
        for images in (stylised, photograph, painting[None])
    )
    content = ((maps[1] - kept[1]) ** 2).mean() / (kept[1] ** 2).mean()
    assert float(found.content) == pytest.approx(content, rel=1e-4)
    by_layer = []
    for made, wanted in zip(maps, of_painting, strict=True):
        target = gram(torch.from_numpy(wanted)).numpy()[0]
        distances = []
        for image in made:
            flat = image.reshape(len(image), -1)
            distances.append((((flat @ flat.T) / flat.shape[1] - target) ** 2).sum())
        by_layer.append(sum(distances) / len(distances) / (target**2).sum())
    assert float(found.style) == pytest.approx(sum(by_layer) / 4, rel=1e-4)
