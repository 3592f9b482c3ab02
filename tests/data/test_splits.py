"""Folders of splits are never taken for classes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stripe.data import StreamLoader, image_folder
from stripe.errors import DataError

Run = Callable[..., tuple[int, str]]


def write(root: Path, *names: str) -> Path:
    """Write a small image at every name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / name)
    return root


@pytest.mark.parametrize(
    ("names", "choice"),
    [
        (("train/cat/1.png", "val/cat/2.png"), r"as \S+animals/val, or folder:\S+animals to a"),
        (("train/cat/1.png", "test/cat/2.png"), r"as \S+animals/test, or folder:\S+animals to a"),
        (("train/1.png", "test/2.png"), r"holds the splits of a data set \(test, train\)"),
        (("train/cat/1.png",), r"as \S+animals/train$"),
        (("train/cat/1.png", "notes/2.png"), r"as \S+animals/train$"),
        (("train/1.png", "val/2.png", "bus/3.png"), r"animals/val"),
    ],
)
def test_splits_are_refused_as_classes(names: tuple[str, ...], choice: str, tmp_path: Path) -> None:
    root = write(tmp_path / "animals", *names)
    with pytest.raises(DataError, match=choice):
        image_folder(root)


def test_a_class_of_trains_is_a_class(tmp_path: Path) -> None:
    root = write(tmp_path / "vehicles", "train/1.png", "bus/2.png")
    assert image_folder(root).classes == ["bus", "train"]  # type: ignore[attr-defined]


def test_splits_within_a_split_are_refused_too(tmp_path: Path) -> None:
    root = write(tmp_path / "a", "val/train/x/1.png", "val/val/x/2.png")
    with pytest.raises(DataError, match=r"a/val must hold images or one folder per class"):
        StreamLoader(root, "test", 1, size=8, workers=0)


def test_a_command_names_the_choice(tmp_path: Path, run: Run) -> None:
    root = write(tmp_path / "animals", "train/cat/1.png", "val/cat/2.png")
    record = ["record", "--model", "tv:resnet18", "--device", "cpu", "--out", tmp_path / "r"]
    code, said = run(*record, "--images", root)
    assert code == 1
    assert f"give one of them, as {root}/val, or folder:{root} to a command" in said
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"crop": 0.0}, "crop must be above 0 and at most 1, got 0"),
        ({"crop": 1.5}, "crop must be above 0 and at most 1, got 1.5"),
        ({"interpolation": "cubic"}, "interpolation is one of nearest, .*, got 'cubic'"),
    ],
)
def test_preprocessing_out_of_range_is_refused(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        image_folder(tmp_path, **options)
