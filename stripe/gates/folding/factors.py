"""Carry factors of a tensor through views, permutations, reductions and joins."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from stripe.gates.tracing.steps import ALIASES, PERMUTATIONS, Step, order_of

#: Factors that broadcast to a tensor: per dimension its size, or 1 where all along it are equal.
Factors = Float64[np.ndarray, "..."]

#: Operations whose output has the values of the input, in any order.
VIEWS = ALIASES | PERMUTATIONS


class CannotFoldError(Exception):
    """Why a gate stays a constant scale; caught where gates are folded."""


def before_view(
    step: Step, source: tuple[int, ...], made: tuple[int, ...], factors: Factors
) -> Factors:
    """Return the factors of a view's input from those of its output."""
    if (order := order_of(step, len(source))) is not None:
        return factors.transpose(np.argsort(order))
    if np.prod(source) != np.prod(made):  # expanded
        return fitted(factors, source)
    return _viewed(factors, made, source)


def after_view(
    step: Step, source: tuple[int, ...], made: tuple[int, ...], factors: Factors
) -> Factors:
    """Return the factors of a view's output from those of its input."""
    if (order := order_of(step, len(source))) is not None:
        return factors.transpose(order)
    if np.prod(source) != np.prod(made):
        return factors.reshape((1,) * (len(made) - factors.ndim) + factors.shape)
    return _viewed(factors, source, made)


def fitted(factors: Factors, shape: Sequence[int]) -> Factors:
    """Return the factors of a tensor of `shape` that broadcasts to the tensor of `factors`."""
    lead = factors.ndim - len(shape)
    padded = (1,) * lead + tuple(shape)
    if lead < 0 or any(wide > size for wide, size in zip(factors.shape, padded, strict=True)):
        raise CannotFoldError("one number is used for channels that the gate scales differently")
    return factors.reshape(factors.shape[lead:])


def split(factors: Factors, sizes: Sequence[int], axis: int) -> list[Factors]:
    """Return the factors of parts that lie side by side along an axis."""
    if factors.shape[axis] == 1:
        return [factors] * len(sizes)
    return np.split(factors, np.cumsum(sizes)[:-1], axis)


def along(factors: Factors, axis: int, size: int) -> Float64[np.ndarray, " c"]:
    """Return one factor per place of an axis, where factors differ along no other."""
    if any(wide > 1 for dim, wide in enumerate(factors.shape) if dim != axis):
        raise CannotFoldError("channels are mixed with places by a view")
    return np.broadcast_to(factors.reshape(-1), size).copy()


def reduced(step: Step, dims: int) -> list[int]:
    """Return the dimensions over which a mean or a sum runs."""
    over = [s for s in step.scalars if isinstance(s, int) and not isinstance(s, bool)]
    return sorted({dim % dims for dim in over}) or list(range(dims))


def _viewed(factors: Factors, source: tuple[int, ...], made: tuple[int, ...]) -> Factors:
    """Return factors after a view, in which channels may be grouped or joined with places."""
    if source == made:
        return factors
    whole = np.broadcast_to(factors, source).reshape(made)
    for axis in range(whole.ndim):
        first = whole.take([0], axis)
        if (whole == first).all():
            whole = first
    return whole
