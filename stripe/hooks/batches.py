"""Batches of images with their indices, from any loader."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, SequentialSampler

from stripe.errors import ModelError

Numbered = tuple[Int64[np.ndarray, " b"], Tensor, Tensor | None]


def numbered_batches(loader: Iterable[Any]) -> Iterator[Numbered]:
    """Yield image indices, images and labels (or None) of every batch.

    The index is the position in `loader.dataset` where the loader is a `DataLoader`, also a
    shuffled one; the third entry of a batch where there is one; else the place in the order of
    arrival.
    """
    if isinstance(loader, DataLoader) and _shuffles(loader):
        yield from (_split(batch, index) for index, batch in _with_indices(loader))
        return
    start = 0
    for batch in loader:
        index, images, labels = _split(batch, None, start)
        start += len(images)
        yield index, images, labels


def _split(batch: Any, index: Sequence[int] | None, start: int = 0) -> Numbered:
    parts = [batch] if isinstance(batch, Tensor) else list(batch)
    if not parts or not all(isinstance(part, Tensor) for part in parts[:3]):
        raise ModelError(
            "a batch must be images, (images, labels) or (images, labels, indices) as tensors, "
            f"got {type(batch).__name__}; wrap the loader so that it yields these"
        )
    images: Tensor = parts[0]
    labels = parts[1] if len(parts) > 1 else None
    if index is None:
        index = parts[2].tolist() if len(parts) > 2 else range(start, start + len(images))
    return np.asarray(index, dtype=np.int64), images, labels


def _shuffles(loader: DataLoader[Any]) -> bool:
    return not isinstance(loader.dataset, IterableDataset) and not isinstance(
        loader.sampler, SequentialSampler
    )


class _WithIndex(Dataset[tuple[int, Any]]):
    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getitem__(self, index: int) -> tuple[int, Any]:
        return index, self.dataset[index]


class _CollateWithIndex:
    def __init__(self, collate: Any) -> None:
        self.collate = collate

    def __call__(self, items: list[tuple[int, Any]]) -> tuple[list[int], Any]:
        return [index for index, _ in items], self.collate([item for _, item in items])


def _with_indices(loader: DataLoader[Any]) -> DataLoader[Any]:
    """Return a loader of the same batches, each with the indices that its sampler drew."""
    batching: dict[str, Any] = (
        {"batch_sampler": loader.batch_sampler}
        if loader.batch_sampler is not None
        else {"batch_size": None, "sampler": loader.sampler}
    )
    return DataLoader(
        _WithIndex(loader.dataset),
        **batching,
        num_workers=loader.num_workers,
        collate_fn=_CollateWithIndex(loader.collate_fn),
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=loader.generator,
        prefetch_factor=loader.prefetch_factor,
    )
