"""Images that are read while the network trains."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from stripe.data import StreamLoader
from stripe.data.folder import IMAGENET_MEAN, IMAGENET_STD
from stripe.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 7), ("val", 5)):
        for number in range(count):
            folder = tmp_path / split / f"n{number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (40 + number, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path


def test_test_images_are_torchvisions(root: Path) -> None:
    loader = StreamLoader(root, "test", 3, size=32, workers=0, indices=True)
    batches = list(loader)
    assert [len(labels) for _, labels, *_ in batches] == [3, 2]
    assert torch.cat([batch[2] for batch in batches]).tolist() == list(range(5))  # type: ignore[misc]
    path, label = loader.data.samples[3]
    expected = v2.Compose([
        v2.PILToTensor(),
        v2.Resize(37, antialias=True),
        v2.CenterCrop(32),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(list(IMAGENET_MEAN), list(IMAGENET_STD)),
    ])(Image.open(path))  # fmt: skip
    images, labels = batches[1][:2]
    torch.testing.assert_close(images[0], expected)
    assert int(labels[0]) == label
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_a_limit_spreads_over_the_classes(root: Path) -> None:
    """Seven images, four of the first class and then three of the second."""
    loader = StreamLoader(root, "train", 2, size=16, workers=0, indices=True, limit=3)
    batches = list(loader)
    assert torch.cat([batch[2] for batch in batches]).tolist() == [0, 3, 6]  # type: ignore[misc]
    assert torch.cat([labels for _, labels, *_ in batches]).tolist() == [0, 0, 1]
    assert (len(loader), loader.images) == (2, 3)


def test_mixed_images_keep_their_labels_and_positions(root: Path) -> None:
    options: Any = {"size": 32, "workers": 0, "indices": True}
    in_order: list[Any] = list(StreamLoader(root, "test", 2, **options))
    mixed: Any = StreamLoader(root, "test", 2, mixed=True, **options)
    drawn: list[Any] = list(mixed)
    assert [len(batch[1].unique()) for batch in in_order] != [len(b[1].unique()) for b in drawn]
    wanted, found = (
        {
            int(at): (int(of), image)
            for batch in batches
            for image, of, at in zip(*batch, strict=True)
        }
        for batches in (in_order, drawn)
    )
    assert wanted.keys() == found.keys()
    for at, (label, image) in found.items():
        assert label == wanted[at][0]
        assert torch.equal(image, wanted[at][1])
    again = [int(at) for batch in mixed for at in batch[2]]
    assert again == [int(at) for batch in drawn for at in batch[2]]
    assert again != sorted(again)


def test_a_seed_repeats_the_crops_and_processes_share_a_batch(root: Path) -> None:
    whole = [StreamLoader(root, "train", 4, size=16, augment=True, workers=2, seed=3) for _ in "ab"]
    first, again = (list(loader) for loader in whole)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    second_pass = list(whole[0])
    assert not torch.equal(first[0][0], second_pass[0][0])
    shares = [
        StreamLoader(root, "train", 4, size=16, augment=True, workers=0, seed=3, share=(r, 2))
        for r in (0, 1)
    ]
    labels = [[batch[1].tolist() for batch in loader] for loader in shares]
    assert [len(batch) for batch in labels[0]] == [2, 2]
    assert [len(batch) for batch in labels[1]] == [2, 1]


def test_a_missing_split_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must hold val/ or test/ with one folder"):
        StreamLoader(tmp_path, "test", 4)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_named(root: Path, workers: int) -> None:
    (root / "val" / "n0" / "0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"0.png cannot be read as an image") as caught:
        list(StreamLoader(root, "test", 4, size=16, workers=workers))
    assert "\n" not in str(caught.value)


def test_images_do_not_depend_on_workers_and_a_share_may_be_empty(root: Path) -> None:
    options = {"size": 16, "augment": True, "seed": 3}
    alone = list(StreamLoader(root, "train", 3, workers=0, **options))  # type: ignore[arg-type]
    helped = list(StreamLoader(root, "train", 3, workers=2, **options))  # type: ignore[arg-type]
    assert all(torch.equal(a[0], b[0]) for a, b in zip(alone, helped, strict=True))
    shared = StreamLoader(root, "train", 3, workers=0, share=(1, 2), **options)  # type: ignore[arg-type]
    assert [batch[0].shape for batch in shared][-1] == (0, 3, 16, 16)  # 7 images: the last is alone


@pytest.mark.slow
def test_workers_outlive_a_signal_but_not_the_main_process(root: Path) -> None:
    """A group is asked to stop; the main process reads on, and exits with its loader alive."""
    code = f"""
import os, signal
from pathlib import Path
from stripe.data import StreamLoader

def stop(*_): print("asked", flush=True)

signal.signal(signal.SIGTERM, stop)
loader = StreamLoader(Path({str(root)!r}), "train", 1, size=16, workers=2)
batches = iter(loader)
next(batches)
os.killpg(0, signal.SIGTERM)
print(1 + sum(1 for _ in batches), flush=True)
os.kept = loader
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        told, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert told.split() == ["asked", "7"]
    assert (process.returncode, errors) == (0, "")
