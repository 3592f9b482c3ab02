"""Collate items with their indices, for any collate function."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset


class WithIndex(Dataset[tuple[Any, Any]]):
    """The items of a data set, each with its index."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        return index, self.dataset[index]


class CollateWithIndex:
    """Collate as a loader does, and put the index of every row before the batch.

    Parameters
    ----------
    collate
        The loader's function.
    batches
        Whether the loader combines items into batches. If False, each item is a batch.
    """

    def __init__(self, collate: Any, batches: bool) -> None:
        self.collate = collate
        self.batches = batches

    def __call__(self, items: Any) -> tuple[Any, Any]:
        """Return the indices and the batch. The indices are None if the rows cannot be matched."""
        if not self.batches:
            index, item = items
            return index, self.collate(item)
        batch = self.collate([item for _, item in items])
        return _index_of_rows(batch, items), batch


def _index_of_rows(batch: Any, items: Sequence[tuple[Any, Any]]) -> list[Any] | None:
    """Return the index of each row, None where that is unknown.

    A collate function may leave out items that are None, and sort.
    """
    rows, labels = _image(batch), _label(batch)
    if rows is None:  # an unusual batch, in the order of its items as far as anything is known
        return [index for index, _ in items]
    if len(rows) != len(items):
        items = [(index, item) for index, item in items if item is not None]
    if len(rows) != len(items):
        return None
    index, images = [index for index, _ in items], [_image(item) for _, item in items]
    if (places := _places(rows, images)) is not None:
        return [index[place] for place in places]
    # The images are changed, as by an augmentation: only their labels can show another order.
    if labels is None or len(labels) != len(rows):
        return index
    given = [_label(item) for _, item in items]
    same = all(item is None or _equal(row, item) for row, item in zip(labels, given, strict=True))
    return index if same else None


def _places(rows: Tensor, images: Sequence[Tensor | None]) -> list[int] | None:
    """Return which item each row is, None where they are not the same numbers."""
    free, places = [*range(len(images))], []
    for row in rows:
        place = next((place for place in free if _equal(row, images[place])), None)
        if place is None:
            return None
        free.remove(place)
        places.append(place)
    return places


def _equal(row: Tensor, item: Tensor | None) -> bool:
    return item is not None and row.shape == item.shape and torch.equal(row, item.to(row.dtype))


def _image(item: Any) -> Tensor | None:
    """Return the image of an item, or the images of a batch, if they are a tensor."""
    first = item[0] if isinstance(item, list | tuple) and item else item
    return first if isinstance(first, Tensor) and first.ndim else None


def _label(item: Any) -> Tensor | None:
    """Return the label of an item, or the labels of a batch, if they are numbers."""
    second = item[1] if isinstance(item, list | tuple) and len(item) > 1 else None
    return torch.as_tensor(second) if isinstance(second, int | float | Tensor) else None
