"""Which test images are recorded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stripe.data import load_dataset
from stripe.data.sample import sample
from stripe.train import TrainConfig
from stripe.train.loaders import open_loaders
from stripe.train.processes import Processes

ONE = Processes(0, 1, torch.device("cpu"))


def test_a_sample_is_drawn_without_repeats_and_ascends() -> None:
    drawn = sample(1000, 50)
    assert torch.equal(drawn, sample(1000, 50))
    assert not torch.equal(drawn, sample(1000, 50, seed=1))
    assert drawn.diff().min() > 0
    assert drawn.min() >= 0
    assert drawn.max() < 1000
    assert torch.equal(sample(7, 50), torch.arange(7))


def test_a_sample_favours_no_part_of_the_data_set() -> None:
    mean = torch.stack([sample(1000, 100, seed).float().mean() for seed in range(200)]).mean()
    assert mean == pytest.approx(499.5, abs=8)  # four standard errors


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Return images whose grey is their position in the data set."""
    for split in ("train", "val"):
        for number in range(30):
            path = tmp_path / split / f"class{number // 10}" / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((16, 16, 3), 8 * number, np.uint8)).save(path)
    return f"folder:{tmp_path}"


@pytest.mark.parametrize("limit", [None, 20])
@pytest.mark.parametrize("streams", [True, False])
def test_recorded_images_are_a_random_sample_with_their_positions_in_the_data_set(
    folder: str, fashion: Path, streams: bool, limit: int | None
) -> None:
    config = TrainConfig(
        dataset=folder if streams else "fashion_mnist", data_root=fashion, image_size=16,
        workers=0, batch_size=4, record_images=6, limit=limit,
    )  # fmt: skip
    loaders = open_loaders(config, ONE)
    images, labels, positions = (torch.cat(parts) for parts in zip(*loaders.probe, strict=True))
    assert len(positions.unique()) == 6
    assert positions.tolist() != list(range(6))  # not the first
    if streams:
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        grey = images[:, 0, 8, 8] * std[0] + mean[0]
        assert (grey * 255 / 8).round().long().tolist() == positions.tolist()
        assert labels.tolist() == (positions // 10).tolist()
    else:
        test = load_dataset("fashion_mnist", "test", root=fashion)
        assert torch.equal(labels, test.labels[positions])
        assert limit is None or positions.max() < limit
    other = open_loaders(replace(config, seed=5, batch_size=3), ONE)
    again = torch.cat([positions for *_, positions in other.probe])
    assert torch.equal(again, positions)  # of every network and seed, in every pass


def test_processes_share_the_sample(fashion: Path) -> None:
    config = TrainConfig(dataset="fashion_mnist", data_root=fashion, batch_size=4, record_images=7)
    shares = [open_loaders(config, Processes(r, 2, torch.device("cpu"))) for r in (0, 1)]
    found = [torch.cat([batch[2] for batch in loaders.probe]) for loaders in shares]  # type: ignore[misc]
    whole = torch.cat([batch[2] for batch in open_loaders(config, ONE).probe])  # type: ignore[misc]
    assert torch.equal(torch.cat(found).sort().values, whole)
