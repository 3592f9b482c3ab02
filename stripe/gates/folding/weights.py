"""Which weights of an operation take a scale of its output or its input."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

from stripe.gates.folding.factors import CannotFoldError, Factors
from stripe.gates.tracing.steps import Step

_NORMS = ("batch_norm", "group_norm", "layer_norm")

#: Position of the features among the inputs of a matrix product.
MATRIX_PRODUCTS = {"addmm": 1, "mm": 0, "linear": 0}


def is_convolution(step: Step) -> bool:
    """Tell whether a step is a convolution of any kind."""
    return step.op.endswith("convolution")


def makes_planes(step: Step) -> bool:
    """Tell whether a step is a layer whose channels are the second dimension."""
    return is_convolution(step) or any(kind in step.op for kind in _NORMS[:2])


def makes_tokens(step: Step) -> bool:
    """Tell whether a step is a layer whose channels are the last dimension."""
    return _NORMS[2] in step.op or step.op in MATRIX_PRODUCTS


def output_weights(
    step: Step, shape: Callable[[int], tuple[int, ...]], v: Float64[np.ndarray, " c"]
) -> dict[int, Factors]:
    """Return the factors of an operation's weights that scale its output by v.

    Raises
    ------
    CannotFoldError
        If the operation has no such weights.
    """
    if is_convolution(step):
        weight, *bias = step.inputs[1:]
        return {weight: _kernels(step, shape(weight), v, out=True)} | dict.fromkeys(bias, v)
    if step.op in MATRIX_PRODUCTS:
        place = MATRIX_PRODUCTS[step.op]
        rest = [node for number, node in enumerate(step.inputs) if number != place]
        bias = rest[:1] if step.op == "addmm" else rest[1:]
        (weight,) = set(rest) - set(bias)
        return {weight: v[:, None] if step.op == "linear" else v[None]} | dict.fromkeys(bias, v)
    affine = [node for node in step.inputs[1:] if shape(node) == (len(v),)]
    statistics = 2 if "batch_norm" in step.op else 0
    if any(kind in step.op for kind in _NORMS) and len(affine) == 2 + statistics:
        return dict.fromkeys(affine[:2], v)
    raise CannotFoldError(f"{step.op} has no weights that take a scale")


def input_weights(
    step: Step, shape: Callable[[int], tuple[int, ...]], v: Float64[np.ndarray, " c"]
) -> dict[int, Factors]:
    """Return the factors of an operation's weights that scale its input by v."""
    if is_convolution(step):
        return {step.inputs[1]: _kernels(step, shape(step.inputs[1]), v, out=False)}
    weight = step.inputs[MATRIX_PRODUCTS[step.op] + 1]
    return {weight: v[None] if step.op == "linear" else v[:, None]}


def _kernels(
    step: Step, shape: tuple[int, ...], v: Float64[np.ndarray, " c"], *, out: bool
) -> Factors:
    """Spread v, one factor per channel that comes out or goes in, over the kernels."""
    transposed = any(scalar is True for scalar in step.scalars)
    # The weight is (C_out, C_in / groups, ...), and (C_in, C_out / groups, ...) if transposed.
    tail = (1,) * (len(shape) - 2)
    if out is not transposed:
        return v.reshape(-1, 1, *tail)
    grouped = v.reshape(-1, shape[1])  # a row for each group
    return np.repeat(grouped, shape[0] // len(grouped), 0).reshape(*shape[:2], *tail)
