"""Batches of images with their indices, from any loader."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Generator, Tensor, nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    SequentialSampler,
    default_collate,
)

from stripe.errors import ModelError, NoBatchError
from stripe.hooks.collate import CollateWithIndex, WithIndex
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules import undisturbed
from stripe.warn import warn

#: The iteration of a DataLoader. A class with another one may change or drop images.
_ITERATES = DataLoader.__iter__

#: Whole numbers for which torch has hardly any operations.
_WITHOUT_ARITHMETIC = (torch.bool, torch.uint16, torch.uint32, torch.uint64)

Numbered = tuple[Int64[np.ndarray, " b"], Tensor, Tensor | None]


def numbered_batches(loader: Iterable[Any], *, kept: bool = False) -> Iterator[Numbered]:
    """Yield image indices, images and labels (or None) of every batch.

    With `kept`, the indices are kept to match images of several passes, and a warning says if they
    cannot do so.

    The indices are the third entry of a batch, if there is one. Otherwise, they are the positions
    in `loader.dataset` of a `DataLoader`, shuffled or not. In all other cases, they count the
    images in the order of arrival, for example for an `IterableDataset` or a subclass of
    `DataLoader` with its own iteration.
    """
    with _draws_restored(loader):
        if isinstance(loader, DataLoader) and not _counts_up(loader):
            yield from _by_sampler(loader)
        else:
            yield from _in_order(loader, kept)


def _by_sampler(loader: DataLoader[Any]) -> Iterator[Numbered]:
    """Yield batches with the positions in the data set that the sampler drew."""
    for index, batch in _with_indices(loader):
        if index is None:
            raise ModelError(
                "a collate function must give a row for every item but None, in any order, "
                "so that rows can be numbered, and did not; yield (images, labels, "
                "indices) from the loader"
            )
        yield _split(batch, index)


def _in_order(loader: Iterable[Any], kept: bool) -> Iterator[Numbered]:
    """Yield batches numbered in the order of arrival, or by their third entries."""
    _check_batches(loader)
    warned = _warn_of_order(loader)
    start = 0
    for batch in loader:
        parts = tensors_of(batch)
        unknown = kept and start == 0 and len(parts) == 1 and not _keeps_order(loader)
        if unknown and not warned:
            warn(
                "the loader does not tell the order of its images, and gives no labels or indices, "
                "so images are numbered in the order of arrival; to compare epochs or runs image "
                "by image, give a DataLoader, a list of batches, or indices"
            )
        numbered = _split(batch, range(start, start + len(parts[0])))
        start += len(numbered[0])
        yield numbered


@contextmanager
def _draws_restored(loader: Iterable[Any]) -> Iterator[None]:
    """Give the generators of a DataLoader and of its sampler their states back at the end."""
    draws = _draws(loader) if isinstance(loader, DataLoader) else []
    try:
        yield
    finally:
        with interrupts_held():
            for generator, state in draws:
                generator.set_state(state)


def _check_batches(loader: Iterable[Any]) -> None:
    """Refuse what is no loader: a tensor of images, which gives single ones, or a single batch."""
    kinds = [part.ndim for part in loader] if _is_pair(loader) else []
    if kinds and kinds[0] > 2 and kinds[1] < 3:
        raise ModelError(
            "a loader must give batches, got one batch (images, labels); give [(images, labels)]"
        )
    if isinstance(loader, Tensor):
        raise ModelError(
            f"a loader must give batches, got one tensor {tuple(loader.shape)}; give [images]"
        )


def _is_pair(loader: Any) -> bool:
    two = isinstance(loader, tuple | list) and len(loader) == 2
    return two and all(isinstance(part, Tensor) for part in loader)


def tensors_of(batch: Any) -> list[Tensor]:
    """Return images, labels and indices of a batch, as many of them as it has."""
    parts = [batch] if isinstance(batch, Tensor) else list(batch)[:3]
    if not parts or not all(isinstance(part, Tensor) for part in parts):
        item = len(parts) == 2 and isinstance(parts[1], int)
        remedy = "wrap the loader so that it yields these"
        raise ModelError(
            "a batch must be images, (images, labels) or (images, labels, indices) as tensors, "
            f"got {_kinds(batch)}; {'give a DataLoader of the data set' if item else remedy}"
        )
    single = len(parts) > 1 and parts[1].ndim == 0
    if parts[0].ndim < 2 or single:
        raise ModelError(
            "images must come in batches (B, C, H, W), clips as (B, C, T, H, W) and signals as "
            f"(B, F, T) or (B, T), got {tuple(parts[0].shape)}"
            f"{' with one label' if single else ''}; give a DataLoader rather than a data set"
        )
    return parts


def _kinds(batch: Any) -> str:
    """Name the type of a batch, and of what it holds."""
    kind = type(batch).__name__
    if not isinstance(batch, tuple | list):
        return kind
    return f"a {kind} of {', '.join(type(part).__name__ for part in batch[:3])}"


def _split(batch: Any, index: int | Sequence[int]) -> Numbered:
    images, *others = tensors_of(batch)
    labels = _class_labels(others[0], len(images)) if others else None
    if len(others) > 1:
        given = others[1]
        if given.shape != (len(images),) or given.is_floating_point():
            raise ModelError(
                f"the third entry of a batch must be {len(images)} whole numbers, the indices of "
                f"its images, got {tuple(given.shape)} of {given.dtype}; leave others out"
            )
        index = given.tolist()
    return np.atleast_1d(np.asarray(index, dtype=np.int64)), images, labels


def _class_labels(labels: Tensor, n_images: int) -> Tensor | None:
    """Return labels (B,) of whole numbers; nothing, with a warning, for targets of another form.

    Raises
    ------
    ModelError
        If there are whole numbers (N,) or (N, 1), but not one for each image.
    """
    numbers = not labels.is_floating_point() and not labels.is_complex()
    if numbers and labels.shape[1:] in ((), (1,)) and labels.ndim and len(labels) != n_images:
        raise ModelError(
            f"a batch must have one label per image, got {n_images} images and {len(labels)} "
            "labels; give the images alone if these are no classes"
        )
    whole = numbers and labels.shape in ((n_images,), (n_images, 1))
    if labels.dtype in _WITHOUT_ARITHMETIC:
        labels = labels.to(torch.int64)
    if whole and labels.device.type == "cpu" and n_images and int(labels.min()) < 0:
        warn(
            "labels below 0 count as classes of their own; leave such images out, or give the "
            "images without labels"
        )
    # Labels on a GPU are not checked: every batch would wait for the GPU.
    if whole and (labels.device.type != "cpu" or not n_images or int(labels.abs().max()) < 2**31):
        return labels.reshape(n_images)
    warn(
        f"labels must be one whole number per image, got {tuple(labels.shape)} of {labels.dtype}; "
        "they are left out (labels.argmax(1) makes numbers of one-hot labels, labels.long() of "
        "floating point labels)"
    )
    return None


def _counts_up(loader: DataLoader[Any]) -> bool:
    """Tell whether counting numbers the images: they come in order, or nothing says their order."""
    if isinstance(loader.dataset, IterableDataset) or type(loader).__iter__ is not _ITERATES:
        return True
    in_order = getattr(loader, "in_order", True) and loader.collate_fn is default_collate
    samplers = type(loader.sampler), type(loader.batch_sampler)
    return in_order and samplers == (SequentialSampler, BatchSampler)


def _keeps_order(loader: Iterable[Any]) -> bool:
    """Tell whether the order of a loader is known, or usually the same every time."""
    if isinstance(loader, DataLoader):
        own = type(loader).__iter__ is not _ITERATES
        return not own and not isinstance(loader.dataset, IterableDataset)
    return isinstance(loader, Sequence)


def _warn_of_order(loader: Iterable[Any]) -> bool:
    """Say that counting does not number images by a data set that is shuffled, if this is so."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return False
    shuffled = type(loader.sampler) is not SequentialSampler
    if shuffled:
        warn(
            f"a {type(loader).__name__} has its own iteration and shuffles, so images are numbered "
            "in the order of arrival; yield (images, labels, indices) to number them by the data "
            "set"
        )
    return shuffled


def _draws(loader: DataLoader[Any]) -> list[tuple[Generator, Tensor]]:
    """Return the generators that the loader and its sampler draw from, and their states."""
    sources = (loader, loader.sampler, getattr(loader.batch_sampler, "sampler", None))
    generators = {id(g): g for s in sources if (g := getattr(s, "generator", None)) is not None}
    return [(generator, generator.get_state()) for generator in generators.values()]


def _with_indices(loader: DataLoader[Any]) -> DataLoader[Any]:
    """Return a loader of the same batches, each with the indices that its sampler drew."""
    batches = loader.batch_sampler is not None
    batching: dict[str, Any] = (
        {"batch_sampler": loader.batch_sampler}
        if batches
        else {"batch_size": None, "sampler": loader.sampler}
    )
    return DataLoader(
        WithIndex(loader.dataset),
        **batching,
        num_workers=loader.num_workers,
        collate_fn=CollateWithIndex(loader.collate_fn, batches),
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=loader.generator,
        prefetch_factor=loader.prefetch_factor,
    )


def with_first_batch(model: nn.Module, loader: Iterable[Any]) -> tuple[Tensor, Iterable[Any]]:
    """Return the images of the first batch, and a loader that still gives it."""
    _check_batches(loader)
    # A DataLoader draws from torch's generator when it starts.
    with interrupts_held(), undisturbed(model), _draws_restored(loader), interrupts_allowed():
        batches = iter(loader)
        first = next(batches, None)
    if first is None:
        raise NoBatchError
    # An iterator cannot start again; a loader can, and its workers should end here.
    whole = chain([first], batches) if batches is loader else loader
    return tensors_of(first)[0], whole
