"""Commands about a run see its own images, as it was trained and tested on them."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from stripe.cli.options.images import load_images
from stripe.cli.options.load_network import load_network
from stripe.data.folder import image_folder
from stripe.errors import DataError
from stripe.recording import open_recording
from stripe.train import TrainConfig, train
from stripe.train.manifest import MANIFEST
from stripe.train.run import read_data_shape
from stripe.train.trained import open_trained

Run = Callable[..., tuple[int, str]]


def write_split(root: Path, count: int = 8, size: tuple[int, int] = (52, 40)) -> Path:
    """Write images of two classes, of which the second is brighter."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for number in range(count):
            folder = root / split / f"class{number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(100 * (number % 2), 100 + 100 * (number % 2), (*size, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of data sets that holds a small "ImageNet"."""
    root = tmp_path_factory.mktemp("sets")
    write_split(root / "imagenet")
    return root


@pytest.fixture(scope="module")
def imagenet_run(sets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on images of 32 x 32 of a data set that is in no usual place."""
    config = TrainConfig(
        backbone="resnet11", attention="se", dataset="imagenet", image_size=32, data_root=sets,
        epochs=1, batch_size=4, workers=0, precision="fp32", device="cpu",
        out=tmp_path_factory.mktemp("runs") / "a",
    )  # fmt: skip
    train(config, progress=False)
    return config.out


def test_a_run_on_imagenet_is_audited_on_its_own_images(
    imagenet_run: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = run("audit", "--model", imagenet_run, "--rounds", 1, "--device", "cpu")
    assert code == 0, said
    assert "images of 32 x 32 pixels, mean 0.485, 0.456, 0.406, std" in said
    code, said = run("record", "--model", imagenet_run, "--out", "r", "--device", "cpu", "--json")
    assert code == 0, said
    assert '"images": 8' in said


def test_images_are_those_on_which_the_run_was_tested(imagenet_run: Path) -> None:
    network, loaders = open_trained(imagenet_run, device="cpu")
    theirs = torch.cat([images for images, _ in loaders.test])
    loader, _ = load_images("imagenet", network, run=imagenet_run)
    mine, labels = next(iter(loader))
    torch.testing.assert_close(mine, theirs.contiguous(), atol=1e-5, rtol=0)
    assert labels.tolist() == [0] * 4 + [1] * 4


def test_the_root_of_a_runs_data_set_is_not_lost(fashion: Path, tmp_path: Path, run: Run) -> None:
    config = TrainConfig(
        backbone="resnet11", attention="se", dataset="fashion_mnist", data_root=fashion, epochs=1,
        limit=20, batch_size=10, precision="fp32", device="cpu", out=tmp_path / "run",
    )  # fmt: skip
    train(config, progress=False)
    record = ["record", "--model", config.out, "--device", "cpu", "--json"]
    code, said = run(*record, "--out", tmp_path / "a")
    assert code == 0, said
    assert "images of 28 x 28 pixels" in said
    assert '"images": 40' in said  # of the small set there, and not of a whole one elsewhere
    shutil.move(fashion, tmp_path / "moved")
    code, said = run(*record, "--out", tmp_path / "b", "--data-root", tmp_path / "moved")
    assert '"images": 40' in said


def test_no_data_is_opened_to_build_the_network_of_a_run(
    imagenet_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(imagenet_run, tmp_path / "run")
    file = tmp_path / "run" / "config.json"
    gone = file.read_text().replace('"data_root": "', '"data_root": "/nowhere')
    file.write_text(gone)
    (tmp_path / "run" / MANIFEST).unlink()
    network = load_network(str(tmp_path / "run"))
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(x), load_network(str(imagenet_run))(x))


def test_a_run_that_does_not_say_what_its_data_is_like(imagenet_run: Path, tmp_path: Path) -> None:
    shutil.copytree(imagenet_run, tmp_path / "run")
    file = tmp_path / "run" / "config.json"
    values = json.loads(file.read_text())
    kept = values.pop("data")
    file.write_text(json.dumps(values))
    (tmp_path / "run" / MANIFEST).unlink()
    assert read_data_shape(tmp_path / "run") is None
    _, prepared = load_images("imagenet", load_network(str(tmp_path / "run")), run=tmp_path / "run")
    assert prepared.size == (kept["image_size"],) * 2 == (32, 32)


class _Grey(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x).mean((2, 3))
        return y


@pytest.mark.parametrize("channels", [1, 3])
def test_one_number_is_for_every_channel(channels: int, sets: Path) -> None:
    loader, prepared = load_images(
        str(sets / "imagenet" / "val"), _Grey(channels), image_size=(48, 192), mean=(0.5,),
        std=(0.25,),
    )  # fmt: skip
    images = next(iter(loader))
    assert images.shape == (8, channels, 48, 192)
    assert prepared.mean == (0.5,) * channels
    assert str(prepared).startswith("images of 48 x 192 pixels, mean 0.5")
    assert images.min() >= -2
    assert images.max() <= 2


def test_the_networks_own_configuration_is_the_default(sets: Path) -> None:
    network = timm.create_model("resnet18", num_classes=2)
    network.pretrained_cfg = {  # type: ignore[assignment]
        "input_size": (3, 40, 64), "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "crop_pct": 1.0,
        "interpolation": "bilinear",
    }  # fmt: skip
    _, prepared = load_images(str(sets / "imagenet" / "val"), network)
    assert (prepared.size, prepared.mean, prepared.crop) == ((40, 64), (0.1, 0.2, 0.3), 1.0)
    _, prepared = load_images(str(sets / "imagenet" / "val"), network, mean=(0.5, 0.6, 0.7))
    assert (prepared.mean, prepared.std) == ((0.5, 0.6, 0.7), (0.4, 0.5, 0.6))


def test_wide_images_are_covered_and_not_padded(tmp_path: Path) -> None:
    """A crop wider than the resized image was once filled with black."""
    (tmp_path / "white").mkdir()
    Image.fromarray(np.full((40, 60, 3), 255, np.uint8)).save(tmp_path / "white" / "0.png")
    image = image_folder(tmp_path / "white", (48, 192), mean=(0.0,) * 3, std=(1.0,) * 3)[0]
    assert image.shape == (3, 48, 192)
    assert (image == 1).all()


@pytest.mark.parametrize("shape", [(37, 91), (91, 37), (50, 50), (224, 225)])
def test_square_images_are_as_torchvision_makes_them(
    shape: tuple[int, int], tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "0.png")
    mine = image_folder(tmp_path, (32, 32), mean=(0.0,) * 3, std=(1.0,) * 3)[0]
    theirs = v2.Compose([
        v2.Resize(37, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
        v2.CenterCrop(32),
        v2.ToDtype(torch.float32, scale=True),
    ])(torch.from_numpy(pixels).permute(2, 0, 1))  # fmt: skip
    torch.testing.assert_close(mine, theirs)


def test_a_data_set_is_resized_and_normalised_on_request() -> None:
    network = _Grey(1)
    loader, prepared = load_images("fashion-mini", network, limit=4)
    assert next(iter(loader))[0].shape == (4, 1, 28, 28)
    assert prepared.size == (28, 28)
    loader, prepared = load_images(
        "fashion-mini", network, limit=4, image_size=(16, 20), mean=(0.0,), std=(1.0,)
    )
    images = next(iter(loader))[0]
    assert images.shape == (4, 1, 16, 20)
    assert (images.min() >= 0, images.max() <= 1) == (True, True)
    with pytest.raises(DataError, match="one number, or one for each of the 1 channels, got 3"):
        load_images("fashion-mini", network, mean=(0.1, 0.2, 0.3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--image-size", "48x"], "a side or HEIGHTxWIDTH, at least 2, as 224 or 48x192"),
        (["--image-size", "0"], "a side or HEIGHTxWIDTH"),
        (["--mean", "a"], "--mean is a number, or one per channel, got 'a'"),
        (["--std", "0"], "std must be above 0"),
        (["--std", "58,57,57"], "scaled to [0, 1], so from 0 to 1, got 58, 57, 57; divide"),
        (["--mean", "124"], "scaled to [0, 1], so from 0 to 1, got 124; divide"),
        (["--mean", "0.1,0.2"], "one number, or one for each of the 3 channels, got 2"),
    ],
)
def test_wrong_options_are_one_line(options: list[str], message: str, sets: Path, run: Run) -> None:
    where = ["--model", "timm:seresnet18", "--images", sets / "imagenet" / "val", "--out", "x"]
    code, said = run("record", *where, *options)
    assert code == 1
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert message in line


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("50x224", "the network fails with images of 3 x 50 x 224: Input height (50) doesn't "
         "match model (224); choose another --image-size"),
        ("99999", "this needs more memory than there is"),
    ],
)  # fmt: skip
def test_a_size_that_a_network_does_not_take_is_one_line(size: str, message: str, run: Run) -> None:
    code, said = run("gates", "--model", "timm:vit_tiny_patch16_224", "--image-size", size)
    assert code == 1
    assert said.splitlines()[-1].startswith(f"error: {message}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "mean", [["--mean", "0.5", "0.5", "0.5"], ["--mean", "0.5,0.5,0.5"], ["--mean", "0.5"]]
)
def test_options_of_images(mean: list[str], sets: Path, tmp_path: Path, run: Run) -> None:
    where = ["--model", "timm:seresnet18", "--images", sets / "imagenet" / "val", "--limit", 4]
    options = ["--image-size", "64x96", *mean, "--std", "0.2", "--device", "cpu"]
    code, said = run("record", *where, *options, "--out", tmp_path / "r")
    assert code == 0, said
    assert "images of 64 x 96 pixels, mean 0.5, 0.5, 0.5, std 0.2, 0.2, 0.2" in said


def test_a_resumed_run_keeps_what_is_known_of_its_data(imagenet_run: Path, sets: Path) -> None:
    found = read_data_shape(imagenet_run)
    assert found is not None
    assert (found.classes, found.channels, found.image_size) == (2, 3, 32)
    config = TrainConfig(
        backbone="resnet11", attention="se", dataset="imagenet", image_size=32, data_root=sets,
        epochs=1, batch_size=4, workers=0, precision="fp32", device="cpu", out=imagenet_run,
    )  # fmt: skip
    train(replace(config), resume=True, progress=False)
    assert read_data_shape(imagenet_run) == found


@pytest.mark.parametrize("crop", [0.5, 0.875, 1.0])
def test_the_crop_keeps_that_share_of_a_folders_images(
    crop: float, imagenet_run: Path, tmp_path: Path
) -> None:
    pixels = np.tile(np.arange(64, dtype=np.uint8)[:, None, None], (1, 64, 3))
    (tmp_path / "ramp").mkdir()
    Image.fromarray(pixels).save(tmp_path / "ramp" / "a.png")
    network = load_network(str(imagenet_run))
    unscaled: Any = {"mean": (0.0,), "std": (1.0,)}
    loader, prepared = load_images(
        str(tmp_path / "ramp"), network, run=imagenet_run, crop=crop, **unscaled
    )
    seen = 255 * next(iter(loader))[0, 0, :, 0]  # from top to bottom, linear but for the edges
    step = float(seen[20] - seen[10]) / 10
    assert step == pytest.approx(64 * crop / 32, rel=0.05)
    assert str(prepared).endswith(f"crop {crop:.4g} (bilinear)")


def test_the_crop_is_that_of_the_networks_own_configuration(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    network: Any = timm.create_model("test_resnet", pretrained=False)
    said = network.pretrained_cfg["crop_pct"]
    assert said != 0.875
    _, prepared = load_images(str(tmp_path / "images"), network)
    assert prepared.crop == said
    _, prepared = load_images(str(tmp_path / "images"), network, crop=0.6)
    assert prepared.crop == 0.6


def test_images_of_a_data_set_are_whole_unless_they_are_cropped(fashion: Path) -> None:
    network = nn.Conv2d(1, 4, 3)
    asked: Any = {"data_root": fashion, "mean": (0.0,), "std": (1.0,)}
    whole, prepared = load_images("fashion_mnist", network, **asked)
    assert str(prepared).endswith("crop 1")
    cropped, prepared = load_images("fashion_mnist", network, image_size=14, crop=0.5, **asked)
    assert str(prepared).startswith("images of 14 x 14 pixels")
    torch.testing.assert_close(next(iter(cropped))[0], next(iter(whole))[0][..., 7:21, 7:21])


def test_a_folder_is_cropped_as_the_run_tested_its_network(
    fashion: Path, imagenet_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "images" / "a.png")
    on_whole_images = TrainConfig(
        backbone="resnet8_basic", dataset="fashion_mnist", data_root=fashion, epochs=1,
        batch_size=4, workers=0, precision="fp32", device="cpu", out=tmp_path / "a",
    )  # fmt: skip
    train(on_whole_images, progress=False)
    for run, crop in ((on_whole_images.out, 1.0), (imagenet_run, 0.875)):
        network = load_network(str(run))
        _, prepared = load_images(str(tmp_path / "images"), network, run=run)
        assert prepared.crop == crop


def test_the_command_prints_what_it_was_told(imagenet_run: Path, tmp_path: Path, run: Run) -> None:
    told = ["--crop", 0.75, "--mean", 0.4, "--std", 0.3, "--limit", 4, "--device", "cpu"]
    code, said = run("record", "--model", imagenet_run, "--out", tmp_path / "r", *told)
    assert code == 0, said
    assert "mean 0.4, 0.4, 0.4, std 0.3, 0.3, 0.3, crop 0.75 (bilinear)" in said
    code, said = run("record", "--model", imagenet_run, "--out", tmp_path / "s", "--crop", 1.5)
    assert (code, 'Invalid value "1.5" for --crop. Must be <= 1' in said) == (2, True)
    assert not (tmp_path / "s").exists()


def test_grey_images_are_repeated_for_a_network_in_colour(
    capsys: pytest.CaptureFixture[str],
) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    loader, prepared = load_images("fashion-mini", network, limit=4)
    images = next(iter(loader))[0]
    assert images.shape == (4, 3, 28, 28)
    assert "repeated as red, green and blue" in capsys.readouterr().err
    assert torch.equal(images[:, 0], images[:, 2])
    assert len(prepared.mean or ()) == 3
    with pytest.raises(DataError, match="takes images of 5 channels and those of fashion-mini"):
        load_images("fashion-mini", nn.Conv2d(5, 4, 3), limit=4)


def test_labels_that_are_left_out_are_told(sets: Path, tmp_path: Path, run: Run) -> None:
    where = ["--model", "resnet11", "--attention", "se", "--device", "cpu"]
    images = ["--images", sets / "imagenet" / "val", "--image-size", 32, "--limit", 4]
    code, said = run("record", *where, *images, "--out", tmp_path / "r")
    assert code == 0, said
    assert "are left out, because the network does not have an output for each of its" in said
    assert open_recording(tmp_path / "r").rows(0)["label"].isna().all()
