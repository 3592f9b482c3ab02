"""The patches of photographs."""

import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import ndimage

from stripe.data import load_dataset, photo_patches
from stripe.data.photo_patches import (
    DISTORTION,
    PER_CLASS,
    SIDE,
    Distortion,
    Windows,
    make_patches,
)
from stripe.data.photo_regions import GAP, REGIONS, Box
from stripe.data.photographs import packaged_photograph, read_photograph
from stripe.errors import DataError

#: Far beyond what the data set has, so that windows reach the edges of their regions.
STRONG = Distortion(turn=1.0, scale=(0.5, 2.0), gain=0.5, brightness=60, noise=80)
SPLITS = ("train", "test")


def read_boxes(windows: Windows) -> np.ndarray:
    """Return the smallest box (N, 4) of the pixels that each patch is interpolated from.

    Coordinates are affine in the position within a patch, so that its corners hold the extremes.
    """
    (column, row), (along, across) = windows.centre.T, windows.step.T
    half = (SIDE - 1) / 2
    corners = list(product((-half, half), repeat=2))
    columns = [column + along * right - across * down for right, down in corners]
    rows = [row + across * right + along * down for right, down in corners]
    low = [np.floor(np.min(place, axis=0)) for place in (columns, rows)]
    high = [np.floor(np.max(place, axis=0)) + 2 for place in (columns, rows)]  # two are read
    return np.stack([*low, *high], axis=1).astype(int)


def distance(first: Box, second: Box) -> int:
    """Return the least number of pixels between two boxes, along rows or columns."""
    across = max(first[0], second[0]) - min(first[2], second[2])
    down = max(first[1], second[1]) - min(first[3], second[3])
    return max(across, down)


@pytest.mark.parametrize("split", SPLITS)
def test_is_balanced_also_in_every_prefix(split: str) -> None:
    dataset = load_dataset("photo-patches", split)
    assert len(dataset.classes) == len(set(dataset.classes)) == 20
    assert dataset.images.shape == (20 * PER_CLASS[split], 3, 32, 32)
    assert (dataset.images.dtype, dataset.labels.dtype) == (torch.uint8, torch.int64)
    assert torch.bincount(dataset.labels).tolist() == [PER_CLASS[split]] * 20
    assert torch.bincount(dataset.head(400).labels).tolist() == [20] * 20
    assert (len(dataset), dataset.name) == (
        {"train": 7000, "test": 2000}[split],
        f"photo-patches/{split}",
    )


def test_normalises_by_the_training_patches() -> None:
    dataset = load_dataset("photo-patches", "train")
    pixels = dataset.images.double() / 255
    for stated, measured in (
        (dataset.mean, pixels.mean((0, 2, 3))),
        (dataset.std, pixels.std((0, 2, 3))),
    ):
        np.testing.assert_allclose(stated, measured, atol=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_every_pixel_is_the_same_whatever_else_draws(split: str) -> None:
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    patches, windows = make_patches(split)
    np.testing.assert_array_equal(patches, load_dataset("photo-patches", split).images)  # digest
    np.testing.assert_array_equal(windows.labels, load_dataset("photo-patches", split).labels)


def test_other_pixels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_pixel_off(file: Path) -> torch.Tensor:
        pixels = read_photograph(file)
        if file.name == "grass.png":
            pixels[:, 200, 100] ^= 128
        return pixels

    monkeypatch.setattr(photo_patches, "read_photograph", one_pixel_off)
    with pytest.raises(DataError, match=r"must have the digest .*; install scikit-image 0\.26"):
        load_dataset("photo-patches", "train")


def test_regions_of_training_and_test_are_a_gap_apart() -> None:
    for region in REGIONS:
        with Image.open(packaged_photograph(region.file)) as image:
            width, height = image.size
        for left, top, right, bottom in (region.train, region.test):
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
    for first, second in product(REGIONS, REGIONS):  # two classes may share a photograph
        if first.file == second.file:
            assert distance(first.train, second.test) >= GAP
            if first != second:
                assert distance(first.train, second.train) > 0
                assert distance(first.test, second.test) > 0


@pytest.mark.slow
@pytest.mark.parametrize("distortion", [DISTORTION, STRONG])
@pytest.mark.parametrize("split", SPLITS)
def test_windows_lie_within_their_region_whatever_the_distortion(
    split: str, distortion: Distortion
) -> None:
    _, windows = make_patches(split, distortion)
    boxes = read_boxes(windows)
    at = windows.coordinates(np.ones(len(boxes), bool)) // photo_patches.UNIT
    np.testing.assert_array_equal(boxes[:, :2], at.min(axis=(2, 3)).T)
    np.testing.assert_array_equal(boxes[:, 2:], at.max(axis=(2, 3)).T + 2)
    regions = np.array([region.box(split) for region in REGIONS])[windows.labels]
    assert (boxes[:, :2] >= regions[:, :2]).all()
    assert (boxes[:, 2:] <= regions[:, 2:]).all()


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_no_pixel_outside_of_a_split_changes_its_patches(
    split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_the_split(file: Path) -> torch.Tensor:
        pixels = read_photograph(file)
        kept = torch.zeros_like(pixels, dtype=torch.bool)
        for region in REGIONS:
            if packaged_photograph(region.file) == file:
                left, top, right, bottom = region.box(split)
                kept[:, top:bottom, left:right] = True
        return torch.where(kept, pixels, 255 - pixels)

    before, _ = make_patches(split, STRONG)
    monkeypatch.setattr(photo_patches, "read_photograph", only_the_split)
    after, _ = make_patches(split, STRONG)
    np.testing.assert_array_equal(before, after)
    other, _ = make_patches(SPLITS[split == "train"], STRONG)
    monkeypatch.undo()
    whole, _ = make_patches(SPLITS[split == "train"], STRONG)
    assert (whole != other).mean() > 0.9


def test_windows_larger_than_a_region_are_refused() -> None:
    with pytest.raises(DataError, match=r"too small for a scale of 2\.5; lower the scale"):
        make_patches("test", Distortion(scale=(1.0, 2.5)))


def test_without_distortion_a_patch_is_interpolated_between_whole_pixels() -> None:
    patches, windows = make_patches("test", Distortion())
    _agrees_with_scipy(patches, windows)
    np.testing.assert_array_equal(windows.step, np.tile([1.0, 0.0], (len(patches), 1)))


def test_rotated_and_scaled_patches_agree_with_scipy() -> None:
    patches, windows = make_patches("test", Distortion(turn=0.5, scale=(0.6, 1.4)))
    _agrees_with_scipy(patches, windows)
    scale, angle = np.hypot(*windows.step.T), np.arctan2(*windows.step.T[::-1])
    assert 0.6 <= scale.min() < 0.61 < 1.39 < scale.max() <= 1.4
    assert 0.99 < np.abs(angle).max() / (2 * np.arctan(0.5)) <= 1
    assert angle.min() < -0.9 < 0.9 < angle.max()


def _agrees_with_scipy(patches: np.ndarray, windows: Windows) -> None:
    """Compare with `scipy.ndimage` in float64: below it by less than 1, from rounding down."""
    place = np.arange(SIDE) - (SIDE - 1) / 2
    right, down = np.meshgrid(place, place)
    for number in range(40):  # two of each class
        (column, row), (along, across) = windows.centre[number], windows.step[number]
        columns, rows = column + along * right - across * down, row + across * right + along * down
        file = packaged_photograph(REGIONS[windows.labels[number]].file)
        photograph = read_photograph(file).double().numpy()
        expected = np.stack([
            ndimage.map_coordinates(colour, [rows, columns], order=1) for colour in photograph
        ])  # fmt: skip
        slope = max(np.abs(np.diff(photograph, axis=axis)).max() for axis in (1, 2))
        coordinates = 2 * slope / photo_patches.UNIT  # they are rounded as well
        below = expected - patches[number]
        assert -coordinates <= below.min() <= below.max() < 1 + coordinates


def test_colours_of_a_grey_photograph_come_from_the_gains() -> None:
    patches, windows = make_patches("train", Distortion(gain=0.25))
    name = [region.name for region in REGIONS]
    gravel = patches[windows.labels == name.index("gravel")].astype(float)
    means = gravel.mean(axis=(2, 3))
    ratios = means[:, 0] / means[:, 1]
    assert ratios.min() > 0.75 / 1.25 - 0.05
    assert ratios.max() < 1.25 / 0.75 + 0.05
    assert ratios.std() > 0.1


def test_trains_from_the_command_line(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    options = ("--dataset=photo-patches", "--backbone=resnet11", "--device=cpu", "--precision=fp32")
    code, said = run(
        "train", *options, "--epochs=1", "--limit=40", "--batch-size=20", f"--out={tmp_path / 'r'}"
    )
    assert code == 0, said
    (history,) = [pd.read_csv(file) for file in (tmp_path / "r").glob("*.csv")]
    assert len(history) == 1


def test_without_the_packages_one_line_names_the_extra(
    run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    code, said = run("train", "--dataset=photo-patches", f"--out={tmp_path / 'r'}")
    assert code == 1
    *_, error = said.strip().splitlines()  # after what is trained
    assert "skimage is not installed; pip install 'stripe-attention[style]'" in error
