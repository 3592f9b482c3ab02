"""The number of an image is its place in the data set, whatever a loader does to a batch."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

import stripe
from stripe import open_recording
from stripe.asr import Gated
from stripe.attention import SE
from stripe.errors import ModelError, RecordingError

COUNT = 10
IMAGES = torch.randn(COUNT, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Numbered(Dataset[Any]):
    """Images labelled by their place; those that are broken are None."""

    def __init__(self, broken: tuple[int, ...] = ()) -> None:
        self.broken = broken

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Any:
        return None if index in self.broken else (IMAGES[index], index)


class Stream(IterableDataset[Any]):
    """Images one after the other, of which nobody knows how many there are."""

    def __iter__(self) -> Iterator[Any]:
        return iter(Numbered()[index] for index in range(COUNT))


class Halving(DataLoader[Any]):
    """A loader that changes its batches."""

    def __iter__(self) -> Any:
        for images, labels in super().__iter__():
            yield images / 2, labels


def whole(items: list[Any]) -> Any:
    return default_collate([item for item in items if item is not None])


def by_brightness(items: list[Any]) -> Any:
    return default_collate(sorted(items, key=lambda item: float(item[0].mean())))


def normalised_by_label(items: list[Any]) -> Any:
    images, labels = default_collate(sorted(items, key=lambda item: -item[1]))
    return images / 2, labels


def with_a_copy(items: list[Any]) -> Any:
    return default_collate([*items, items[0]])


def model_of() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), Gated(nn.ReLU(), SE(8, reduction=2))).eval()


def gates_of(images: Tensor) -> np.ndarray:
    model: Any = model_of()
    with torch.no_grad():
        return np.asarray(model[1].gate(model[1].host(model[0](images))).flatten(1))


LOADERS: dict[str, Callable[[], DataLoader[Any]]] = {
    "broken images are left out": lambda: DataLoader(Numbered((2,)), 4, collate_fn=whole),
    "broken images of a shuffled one": lambda: DataLoader(
        Numbered((2,)), 4, collate_fn=whole, shuffle=True
    ),
    "sorted": lambda: DataLoader(Numbered(), 4, collate_fn=by_brightness),
    "shuffled and sorted": lambda: DataLoader(
        Numbered(), 4, collate_fn=by_brightness, shuffle=True
    ),
    "the first worker that is ready": lambda: DataLoader(
        Numbered(), 2, num_workers=2, in_order=False
    ),
    "a stream": lambda: DataLoader(Stream(), 4),
}


@pytest.mark.parametrize("name", LOADERS)
def test_images_are_numbered_by_their_data_set(name: str, tmp_path: Path) -> None:
    stripe.record(model_of(), LOADERS[name](), tmp_path / "r", progress=False)
    recording = open_recording(tmp_path / "r")
    found = recording.images["image"].to_numpy()
    assert sorted(found) == [n for n in range(COUNT) if n != 2 or "broken" not in name]
    np.testing.assert_array_equal(recording.images["label"], found)
    np.testing.assert_allclose(recording.values("1.gate", 0), gates_of(IMAGES)[found], atol=1e-6)


@pytest.mark.parametrize("collate", [with_a_copy, normalised_by_label])
def test_rows_that_nobody_can_number_are_refused(collate: Any, tmp_path: Path) -> None:
    loader = DataLoader(Numbered(), 4, collate_fn=collate)
    with pytest.raises(ModelError, match="a row for every item but None, in any order"):
        stripe.record(model_of(), loader, tmp_path / "r", progress=False)


def test_a_loader_that_changes_its_batches_is_recorded_as_it_iterates(tmp_path: Path) -> None:
    stripe.record(model_of(), Halving(Numbered(), 4), tmp_path / "r", progress=False)
    values = open_recording(tmp_path / "r").values("1.gate", 0)
    np.testing.assert_allclose(values, gates_of(IMAGES / 2), atol=1e-6)
    shuffled = Halving(Numbered(), 4, shuffle=True)
    with pytest.warns(UserWarning, match="numbered in the order of arrival"):
        stripe.record(model_of(), shuffled, tmp_path / "s", progress=False)
    recording = open_recording(tmp_path / "s")
    labels = recording.images["label"].to_numpy()
    values = recording.values("1.gate", 0)
    np.testing.assert_allclose(values, gates_of(IMAGES / 2)[labels], atol=1e-6)


def test_another_order_in_a_later_epoch_is_refused_at_once(tmp_path: Path) -> None:
    """A list of batches does not tell its order; a DataLoader does, and labels tell it too."""
    torch.manual_seed(0)
    model = nn.Sequential(Gated(nn.Conv2d(3, 16, 3), SE(16)), nn.Flatten(), nn.LazyLinear(4)).eval()
    model(IMAGES)
    labels, turned = torch.arange(COUNT), torch.arange(COUNT).flip(0)
    with stripe.Recorder(model, tmp_path / "run") as recorder:
        recorder.record([(IMAGES, labels)], 0, progress=False)
        with pytest.raises(RecordingError, match="image 0 had the label 0 in epoch 0, and has 9"):
            recorder.record([(IMAGES[turned], labels[turned])], 1, progress=False)
        recorder.record([(IMAGES[turned], labels[turned], turned)], 1, progress=False)
        recorder.record([IMAGES], 2, progress=False)  # nothing to compare with
        recorder.record([(IMAGES, labels)], 3, progress=False)
        assert recorder.epochs == [0, 1, 2, 3]
