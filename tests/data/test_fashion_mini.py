"""The bundled data set."""

from pathlib import Path

import pytest
import torch

from stripe.data import fashion_mini, list_datasets, load_dataset
from stripe.errors import DataError, UnknownNameError


@pytest.mark.parametrize(("split", "per_class"), [("train", 700), ("test", 200)])
def test_is_balanced_also_in_every_prefix(split: str, per_class: int) -> None:
    dataset = load_dataset("fashion-mini", split)
    assert torch.bincount(dataset.labels).tolist() == [per_class] * 10
    assert torch.bincount(dataset.head(500).labels).tolist() == [50] * 10
    assert dataset.images.shape == (10 * per_class, 1, 28, 28)
    assert dataset.classes[9] == "Ankle boot"


def test_the_file_is_small() -> None:
    assert fashion_mini.bundled_file().stat().st_size <= 4_000_000


def test_unknown_names_and_splits() -> None:
    assert "fashion-mini" in list_datasets()
    with pytest.raises(UnknownNameError, match="unknown data set 'mnist'"):
        load_dataset("mnist", "train")
    with pytest.raises(DataError, match="train, test, got 'val'"):
        load_dataset("fashion-mini", "val")


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mini, "FILE", "gone.parquet")
    with pytest.raises(DataError, match=r"data set must be at .*gone\.parquet"):
        load_dataset("fashion-mini", "train")


def test_a_damaged_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(fashion_mini.bundled_file().read_bytes())
    content[1_000_000] ^= 1
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(content)
    monkeypatch.setattr(fashion_mini, "bundled_file", lambda: damaged)
    with pytest.raises(DataError, match=r"damaged\.parquet is damaged"):
        load_dataset("fashion-mini", "train")
