"""Mix or divide images at random, because their order in a loader often follows their classes.

A loader of a sorted folder gives one class after another. Three kinds of measurements depend on
which images share a batch: those that use the gate of another image, those that use the statistics
of the batch, and steps of learning. If each batch holds a single class, they measure effects within
a class. If images went to two halves in turn, alternating labels (0, 1, 0, 1) would put each class
into one half only.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from stripe.recording.label_order import in_blocks
from stripe.warn import warn

#: Images (B, C, H, W), or these and their labels (B,) or None.
Batch = Tensor | tuple[Tensor, Tensor | None]


def random_order(count: int, seed: int = 0) -> Int64[Tensor, " count"]:
    """Return the positions of `count` images in a random order, set by `count` and `seed` alone."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def random_halves(
    count: int, seed: int = 0, *, labels: Tensor | None = None
) -> tuple[Int64[Tensor, " first"], Int64[Tensor, " second"]]:
    """Divide the positions of `count` images at random; the first half may have one more.

    With labels (count,), the numbers of images of a class in the two halves differ by at most one.
    Both halves are in a random order.

    Examples
    --------
    >>> labels = torch.tensor([0, 1, 0, 1])
    >>> [sorted(labels[half].tolist()) for half in random_halves(4, labels=labels)]
    [[0, 1], [0, 1]]
    """
    order = random_order(count, seed)
    if labels is not None:
        order = order[labels.cpu()[order].argsort(stable=True)]  # class by class
    first, second = order[::2], order[1::2]
    return first[random_order(len(first), seed)], second[random_order(len(second), seed)]


def mixed(batches: Iterable[Batch]) -> list[Any]:
    """Distribute the images of batches at random among batches of the same sizes and forms.

    Images of different shapes do not share a batch. The result takes as much memory as the batches.

    Examples
    --------
    >>> labels = torch.arange(2).repeat_interleave(8)
    >>> sorted_by_class = zip(torch.rand(16, 3, 8, 8).split(8), labels.split(8))
    >>> [sorted(of.unique().tolist()) for _, of in mixed(sorted_by_class)]
    [[0, 1], [0, 1]]
    """
    given = list(batches)
    done = list(given)
    alike: dict[object, list[int]] = {}
    for place, batch in enumerate(given):
        alike.setdefault(_kind(batch), []).append(place)
    for places in alike.values():
        rows = [(place, row) for place in places for row in range(len(_parts(given[place])[0]))]
        drawn = (rows[position] for position in random_order(len(rows)).tolist())
        for place in places:
            chosen = list(islice(drawn, len(_parts(given[place])[0])))
            done[place] = _gathered(given, chosen, like=given[place])
    return done


def sorted_by_class(batches: Sequence[np.ndarray]) -> bool:
    """Return whether the labels of several batches, (B,) each, came class by class."""
    several = [labels for labels in batches if len(labels)]
    return len(several) > 1 and in_blocks(np.concatenate(several))


def warn_of_order(result: str) -> None:
    """Warn that a result depends on the order of images that are sorted by class."""
    warn(
        f"the images are sorted by class, so a batch holds few classes, and {result}; give a "
        "loader in random order, such as a DataLoader with shuffle=True"
    )


def _parts(batch: Batch) -> tuple[Tensor, Tensor | None]:
    return (batch, None) if isinstance(batch, Tensor) else batch


def _kind(batch: Batch) -> object:
    """Return what two batches must have in common to exchange images."""
    images, labels = _parts(batch)
    return images.shape[1:], images.dtype, images.device, type(batch), labels is None


def _gathered(given: Sequence[Batch], chosen: Sequence[tuple[int, int]], like: Batch) -> Batch:
    """Return a batch of the chosen rows, each of which is a batch and a row in it."""
    parts = [(*_parts(given[place]), row) for place, row in chosen]
    if not parts:
        return like
    images = torch.stack([images[row] for images, _, row in parts])
    if isinstance(like, Tensor):
        return images
    known = [labels[row] for _, labels, row in parts if labels is not None]
    return images, torch.stack(known) if known else None
