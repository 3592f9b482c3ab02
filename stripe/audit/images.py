"""The images of an audit: one half for the means, one half for the comparison."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stripe.errors import StripeError
from stripe.hooks.batches import numbered_batches
from stripe.hooks.mixed import random_halves
from stripe.modules.progress import number_of_batches
from stripe.modules.seeded import generator_kept
from stripe.recording.label_order import in_blocks
from stripe.warn import warn

#: Images (B, C, H, W), or these and their labels (B,).
KeptBatch = Tensor | tuple[Tensor, Tensor]

#: Smallest number of images that are a batch of their own.
_REST = 4


@dataclass(frozen=True)
class Halves:
    """The images of an audit: a random half for the means, the rest for the comparison.

    Parameters
    ----------
    known
        Batches (B, C, H, W) for the means of the gates.
    held_out
        Batches on which the frozen network is compared.
    labels
        Labels of the held-out images, (N,); None if an image has no label.
    known_labels
        Labels of the images for the means, in the same form.
    """

    known: Sequence[Tensor]
    held_out: Sequence[Tensor]
    labels: np.ndarray | None
    known_labels: np.ndarray | None

    @property
    def counts(self) -> tuple[int, int]:
        """The number of images of each half."""
        return sum(map(len, self.known)), sum(map(len, self.held_out))

    def labelled(self) -> tuple[list[KeptBatch], list[KeptBatch]]:
        """Return the batches of both halves, with labels if all images have one."""
        return _with(self.known, self.known_labels), _with(self.held_out, self.labels)

    def held_out_in_pairs(self) -> list[KeptBatch]:
        """Return the held-out half, with labels, in similar batches of 2 images or more."""
        count = self.counts[1]
        parts = max(1, min(len(self.held_out), count // 2))
        whole = torch.cat(list(self.held_out)).tensor_split(parts)
        return _with(whole, self.labels)


def pieces(batches: Sequence[KeptBatch], size: int) -> list[KeptBatch]:
    """Split batches of images, or of images and labels, into batches of about `size` images.

    The last piece of a batch also takes a remainder of fewer than 4 images, because the rows of a
    gate are harder to prove for few images.

    Examples
    --------
    >>> [len(piece) for piece in pieces([torch.rand(34, 1, 8, 8)], 16)]
    [16, 18]
    """
    return [piece for batch in batches for piece in _pieces(batch, size)]


def _pieces(batch: KeptBatch, size: int) -> list[KeptBatch]:
    if isinstance(batch, Tensor):
        ends = [*range(size, len(batch) - _REST + 1, size)]
        return list(batch.tensor_split(ends))
    return list(zip(*(_pieces(part, size) for part in batch), strict=True))


def halves(loader: Iterable[Any], limit: int, batch_size: int) -> Halves:
    """Return the first images of a loader in two halves, each in a random order.

    If all images have labels, each class is divided evenly.

    It raises the errors of `gather`.
    """
    images, labels = gather(loader, limit)
    known, held_out = random_halves(len(images), labels=labels)
    numbers = None if labels is None else labels.cpu().numpy()
    return Halves(
        known=images[known].split(batch_size),
        held_out=images[held_out].split(batch_size),
        labels=None if numbers is None else numbers[held_out],
        known_labels=None if numbers is None else numbers[known],
    )


def _with(images: Sequence[Tensor], labels: np.ndarray | None) -> list[KeptBatch]:
    if labels is None:
        return list(images)
    of_batch = torch.from_numpy(labels).split([len(batch) for batch in images])
    return list(zip(images, of_batch, strict=True))


def gather(loader: Iterable[Any], limit: int) -> tuple[Tensor, Tensor | None]:
    """Return the first images of a loader, (B, C, H, W), and their labels if all have one.

    Raises
    ------
    StripeError
        If there are fewer than 4 images, or they are not all of one size.

    Warns
    -----
    UserWarning
        If images are left out and the first ones are sorted by class.
    """
    images: list[Tensor] = []
    labels: list[Tensor] = []
    with generator_kept():
        for _, batch, of_batch in numbered_batches(loader):
            if images and batch.shape[1:] != images[0].shape[1:]:
                raise StripeError(
                    f"images must all have one size, got {tuple(images[0].shape[1:])} and "
                    f"{tuple(batch.shape[1:])}; resize them"
                )
            images.append(batch)
            if of_batch is not None:
                labels.append(of_batch)
            if sum(map(len, images)) >= limit:
                break
    count = sum(map(len, images))
    if min(count, limit) < 4:
        raise StripeError(f"a comparison needs at least 4 images, got {min(count, limit)}")
    whole = torch.cat(labels) if sum(map(len, labels)) == count else None
    if whole is not None and (count > limit or (number_of_batches(loader) or 0) > len(images)):
        _warn_if_sorted(loader, whole.cpu().numpy(), limit)
    return torch.cat(images)[:limit], None if whole is None else whole[:limit]


def _warn_if_sorted(loader: Iterable[Any], labels: np.ndarray, limit: int) -> None:
    """Warn if the labels of the first images are sorted, or are those of one class of several."""
    used = labels[:limit]
    others = len(np.unique(labels)) > 1 or len(_classes(loader)) > 1
    one_of_several = len(np.unique(used)) == 1 and others
    if in_blocks(used) or one_of_several:
        warn(
            f"only the first {limit} images are used, and they are sorted by class, so classes may "
            "be missing; give a loader in random order, such as a DataLoader with shuffle=True, or "
            "a larger limit"
        )


def _classes(loader: Iterable[Any]) -> Sequence[str]:
    """Return the names of the classes of a loader's data set, if it has any."""
    data = getattr(loader, "dataset", None)
    whole = getattr(data, "dataset", None)  # of a Subset
    found: Sequence[str] = getattr(data, "classes", None) or getattr(whole, "classes", None) or ()
    return found
