"""Mix the images of batches, because a loader of a sorted folder gives one class after another.

What is measured on whole batches depends on their composition: the gate of another image of the
batch, the statistics of a batch, and a step of learning. If each batch holds a single class, these
are effects within a class.
"""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from stripe.warn import warn

#: Images (B, C, H, W), or these and their labels (B,) or None.
Batch = Tensor | tuple[Tensor, Tensor | None]


def order_of(count: int, seed: int = 0) -> Int64[Tensor, " count"]:
    """Return the positions of `count` images in a random order, which depends on both numbers."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def mixed(batches: Iterable[Batch]) -> list[Any]:
    """Distribute the images of batches at random among batches of the same sizes and forms.

    Images of different shapes do not share a batch.

    Examples
    --------
    >>> labels = torch.arange(2).repeat_interleave(8)
    >>> sorted_by_class = zip(torch.rand(16, 3, 8, 8).split(8), labels.split(8))
    >>> [sorted(of.unique().tolist()) for _, of in mixed(sorted_by_class)]
    [[0, 1], [0, 1]]
    """
    done = list(batches)
    alike: dict[object, list[int]] = {}
    for place, batch in enumerate(done):
        alike.setdefault(_kind(batch), []).append(place)
    for places in alike.values():
        for place, batch in zip(places, _among([done[p] for p in places]), strict=True):
            done[place] = batch
    return done


def _kind(batch: Batch) -> object:
    """Return what two batches must have in common to exchange images."""
    images, labels = batch if isinstance(batch, tuple) else (batch, None)
    return images.shape[1:], images.dtype, images.device, type(batch), labels is None


def _among(batches: list[Any]) -> list[Any]:
    """Distribute images of one kind, and their labels in the same order."""
    if batches[0] is None:
        return batches
    if isinstance(batches[0], Tensor):
        sizes = [len(batch) for batch in batches]
        whole = torch.cat(batches)
        return list(whole[order_of(len(whole)).to(whole.device)].split(sizes))
    images, labels = (_among(list(part)) for part in zip(*batches, strict=True))
    return list(zip(images, labels, strict=True))


class ClassOrder:
    """Notice whether a loader gives its images class by class."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._batches = 0
        self._sorted = True
        self._first: float | None = None

    def see(self, labels: Tensor | None) -> None:
        """Read the labels of the next batch."""
        if labels is None or labels.ndim != 1 or not len(labels):
            self._sorted = False
            return
        known = labels.double()
        self._first = known[0].item() if self._first is None else self._first
        ahead = self._last is None or self._last <= known[0].item()
        self._sorted &= ahead and bool((known.diff() >= 0).all())
        self._last = known[-1].item()
        self._batches += 1

    @property
    def is_sorted(self) -> bool:
        """Whether there were several batches, and several classes came one after another."""
        return self.may_go_on and self._first != self._last

    @property
    def may_go_on(self) -> bool:
        """Whether the images may be the first of sorted ones: the labels never decreased."""
        return self._sorted and self._batches > 1


def warn_of_order(result: str) -> None:
    """Warn that a result depends on the order of images that are sorted by class."""
    warn(
        f"the images are sorted by class, so a batch holds few classes, and {result}; give a "
        "loader in random order, such as a DataLoader with shuffle=True"
    )
