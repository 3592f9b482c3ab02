"""What a recording cannot mean is said while it is made."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import stripe
from stripe.errors import ModelError


@pytest.mark.parametrize("values", [True, False], ids=["values", "moments"])
def test_values_that_are_not_finite_are_named(
    small_model: nn.Module, images: Tensor, tmp_path: Path, values: bool
) -> None:
    images = images.clone()
    images[7] = torch.nan
    where = "first for image 7" if values else "for at least one image"
    with pytest.warns(UserWarning, match=rf"recorded values that are not finite, {where}"):
        found = stripe.record(
            small_model, images.split(4), tmp_path / "r", values=values, progress=False
        )
    assert found.epochs == [0]  # it is recorded all the same
    assert found.verify()["rows"].sum()


def test_a_loader_that_tells_no_order_is_named(
    small_model: nn.Module, images: Tensor, tmp_path: Path
) -> None:
    class Shuffled(IterableDataset[Tensor]):
        def __iter__(self) -> Iterator[Tensor]:
            yield from images[torch.randperm(len(images))]

    class OwnOrder(DataLoader[Any]):
        def __iter__(self) -> Any:
            yield from images[torch.randperm(len(images))].split(5)

    loaders: list[Any] = [
        iter(images.split(5)),
        DataLoader(Shuffled(), batch_size=5),
        OwnOrder(TensorDataset(images), batch_size=5),
    ]
    for number, loader in enumerate(loaders):
        with (
            stripe.Recorder(small_model, tmp_path / str(number)) as recorder,
            pytest.warns(UserWarning, match="does not tell the order of its images"),
        ):
            recorder.record(loader, epoch=0, progress=False)


def test_labels_below_zero_are_named(
    small_model: nn.Module, images: Tensor, tmp_path: Path
) -> None:
    labels = torch.arange(len(images)) - 1
    with pytest.warns(UserWarning, match="labels below 0 count as classes of their own"):
        stripe.record(small_model, [(images, labels)], tmp_path / "r", progress=False)


def test_no_gate_is_an_error(small_model: nn.Module, images: Tensor, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gates= names no gate to record, got \[\]"):
        stripe.record(small_model, [images], tmp_path / "r", gates=[], progress=False)
    assert not (tmp_path / "r").exists()


def test_what_came_in_the_place_of_batches_is_named(
    small_model: nn.Module, images: Tensor, tmp_path: Path
) -> None:
    record = partial(stripe.record, small_model, path=tmp_path / "r", progress=False)
    with pytest.raises(ModelError, match=r"got one tensor \(10, 1, 12, 12\); give \[images\]"):
        record(loader=images)
    for pair in (tuple, list):  # a DataLoader gives lists
        with pytest.raises(ModelError, match=r"got one batch .*; give \[\(images, labels\)\]"):
            record(loader=pair((images, torch.arange(len(images)))))
    with pytest.raises(ModelError, match="as tensors, got a tuple of ndarray, list"):
        record(loader=[(images.numpy(), [0] * 10)])
