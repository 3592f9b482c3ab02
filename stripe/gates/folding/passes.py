"""Operations that pass a scale of their input on to their output."""

from collections.abc import Iterable

import numpy as np

from stripe.gates.folding.factors import CannotFoldError, Factors, reduced
from stripe.gates.tracing.steps import Step

#: f(v x) = v f(x) for any v that is constant over a plane.
_LINEAR = {
    *("avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "adaptive_avg_pool2d", "mean", "sum"),
    *("upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d", "reflection_pad2d"),
    *("_adaptive_avg_pool3d", "replication_pad2d", "neg", "_upsample_nearest_exact2d"),
    *("adaptive_avg_pool3d", "upsample_nearest3d", "upsample_trilinear3d", "upsample_linear1d"),
    *("upsample_nearest1d", "reflection_pad1d", "reflection_pad3d", "replication_pad3d"),
    *("_upsample_bilinear2d_aa", "avg_pool1d", "slice"),
}
#: f(v x) = v f(x) for v >= 0.
_POSITIVE = {
    *("relu", "leaky_relu", "prelu", "max_pool2d_with_indices", "max_pool3d_with_indices"),
    *("adaptive_max_pool2d", "adaptive_max_pool3d", "abs"),
}

#: Those among both that compute each value from the one at the same place.
_ELEMENTWISE = {"neg", "relu", "leaky_relu", "prelu", "abs"}


def passes(step: Step, taken: tuple[int, ...], made: tuple[int, ...], factors: Factors) -> bool:
    """Tell whether a scale of a step's input is the same scale of its output.

    Parameters
    ----------
    step
        The operation, on the first of its inputs.
    taken, made
        Shapes of its input and output.
    factors
        The scale, of either.

    Raises
    ------
    CannotFoldError
        If the step would pass positive factors on, but some factors are negative.
    """
    if step.op == "add" and len(step.inputs) == 1:
        return bool(step.scalars[0] == 0)  # how a sum over branches begins
    if step.op == "constant_pad_nd" and step.scalars[-1] != 0:
        return False
    if step.op not in _LINEAR | _POSITIVE | {"constant_pad_nd"}:
        return False
    if step.op in _POSITIVE and (factors < 0).any():
        raise CannotFoldError(f"there is a {step.op}, and the gate is negative in places")
    if step.op in _ELEMENTWISE:
        return True
    if step.op in ("mean", "sum"):
        return factors.ndim < len(taken) or not _wide(factors, reduced(step, len(taken)))
    sizes = list(zip(taken, made, strict=True))
    mixed = {dim for dim, (before, after) in enumerate(sizes) if before != after}
    if step.op not in ("slice", "constant_pad_nd"):
        mixed |= set(range(2, len(sizes)))  # a pool of stride 1 mixes places too
    return not _wide(factors, mixed)


def before_reduction(step: Step, taken: tuple[int, ...], factors: Factors) -> Factors:
    """Return the factors of a step's input, where a mean or a sum dropped dimensions."""
    if factors.ndim == len(taken):
        return factors
    return np.expand_dims(factors, reduced(step, len(taken)))


def after_reduction(step: Step, made: tuple[int, ...], factors: Factors) -> Factors:
    """Return the factors of a step's output, where a mean or a sum drops dimensions."""
    if factors.ndim == len(made):
        return factors
    return factors.squeeze(tuple(reduced(step, factors.ndim)))


def _wide(factors: Factors, dims: Iterable[int]) -> bool:
    return any(factors.shape[dim] > 1 for dim in dims)
