"""Prove which row of a gate belongs to which image, by passes in other orders."""

from enum import IntEnum

import torch
from jaxtyping import Float
from torch import Tensor

from stripe.hooks.rows import ImageRows

#: How far a row may move, relative to how far the rows of different images are apart, before the
#: other images are said to have a part in it; and relative to the nearest other row, before it may
#: as well be that one.
_UNMOVED, _NEAREST = 0.02, 0.5

#: Largest rounding error, relative to the largest number, in single and half precision.
_ROUNDING, _ROUNDING_OF_HALF = 1e-5, 0.03


class Verdict(IntEnum):
    """The result of comparing the rows of a gate in two passes; the largest of several counts."""

    #: All images have the same row, so nothing can be proven and nothing can be wrong.
    SAME = 0
    #: Each row belongs to its image alone.
    PROVEN = 1
    #: Each row belongs to its image, but also depends on the other images of the batch.
    MIXED = 2
    #: A row does not belong to its assumed image.
    WRONG = 3


def selections(n_images: int) -> list[list[int]]:
    """Return the images for each place of a batch, such that every wrong order is detected.

    Two images change places, one occurs twice, one is left out, and the others move on by one.
    Correct rows follow their images. Rows in any other order, fixed or dependent on the images, do
    not follow, and values that are computed from the whole batch change. A batch of two images
    needs two passes.
    """
    if n_images == 2:
        return [[1, 0], [0, 0]]
    return [[1, 0, 0, *range(2, n_images - 1)]]


def some_of(n_images: int) -> list[int]:
    """Return the middle, first and last position of a batch, with the first position twice."""
    return [n_images // 2, 0, 0, n_images - 1]


def rotation(n_images: int) -> list[int]:
    """Return all positions, all but the last moved on by one. The set of images is unchanged."""
    return [*range(1, n_images - 1), 0, n_images - 1]


def verdict(before: ImageRows, after: ImageRows, selection: list[int], half: bool) -> Verdict:
    """Compare the rows of a batch with those of the images that were selected from it.

    Parameters
    ----------
    before, after
        Rows of the batch, and of the selected images.
    selection
        Positions of the selected images, at most as many as in the batch.
    half
        Whether the network computes in half precision.
    """
    pairs = [(before.gate, after.gate)]
    if before.features is not None and after.features is not None:
        pairs.append((before.features, after.features))
    return max(_verdict(left, right, selection, half) for left, right in pairs)


def _verdict(
    before: Float[Tensor, "b k n"], after: Float[Tensor, "s k n"], selection: list[int], half: bool
) -> Verdict:
    if before.shape[1:] != after.shape[1:]:
        return Verdict.WRONG
    old, new = (torch.nan_to_num(rows.cpu().double().flatten(1)) for rows in (before, after))
    expected, moved = old[selection], torch.tensor(selection) != torch.arange(len(selection))
    apart = (
        _length((old[: len(selection)] - expected)[moved]).square().mean().sqrt().item()
        if moved.any()
        else 0.0
    )
    errors = _length(new - expected)
    error = errors.max().item()
    rounding = (_ROUNDING_OF_HALF if half else _ROUNDING) * _length(old).max().item()
    if max(apart, error) <= rounding:
        return Verdict.SAME
    unsure = errors > rounding
    if unsure.any() and (errors > _NEAREST * _to_next(old, selection))[unsure].any():
        return Verdict.WRONG
    return Verdict.PROVEN if error <= max(_UNMOVED * apart, 10 * rounding) else Verdict.MIXED


def _length(rows: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
    return rows.square().mean(1).sqrt()


def _to_next(old: Float[Tensor, "b n"], selection: list[int]) -> Float[Tensor, " b"]:
    """Return how far each selected row is from the nearest row of another image."""
    distances = torch.cdist(old, old).fill_diagonal_(float("inf")) / old.shape[1] ** 0.5
    nearest: Tensor = distances.amin(1)
    return nearest[selection]
