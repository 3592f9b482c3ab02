"""Which operations squash a tensor between two bounds, and which keep it there."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Bounds(NamedTuple):
    """Whether a tensor has a lower and an upper bound for all images."""

    below: bool = False
    above: bool = False


_BOTH = Bounds(True, True)

#: The bounds of a tensor that no step made.
UNBOUNDED = Bounds()

#: Operations whose result lies between two bounds for any input. They make gates.
_BOUNDED = {"sigmoid", "hardsigmoid", "tanh", "hardtanh", "_softmax", "softmax", "erf", "sign"}

#: Operations that bound below, or above, and keep a bound on the other side.
_BOUND_BELOW = {"relu", "clamp_min", "maximum"}
_BOUND_ABOVE = {"clamp_max", "minimum"}

#: Operations that keep each bound of all that depends on the input.
_KEEP_EACH = {
    *("view", "_unsafe_view", "reshape", "expand", "unsqueeze", "squeeze", "permute", "transpose"),
    *("t", "clone", "contiguous", "_to_copy", "detach", "alias", "lift_fresh", "_reshape_alias"),
    *("select", "slice", "split", "split_with_sizes", "chunk", "unbind", "cat", "stack", "repeat"),
    *("index_select", "gather", "where", "round", "floor", "ceil", "mean", "amax", "amin"),
    *("copy", "fill", "zero", "masked_fill", "index", "flip", "roll"),
    *("max", "min", "add", "clamp", "relu", "clamp_min", "clamp_max", "minimum", "maximum"),
    *("fake_quantize_per_tensor_affine_cachemask", "fake_quantize_per_channel_affine_cachemask"),
    *("_fake_quantize_per_tensor_affine_cachemask_tensor_qparams",),
    *("_fake_quantize_learnable_per_tensor_affine", "_fake_quantize_learnable_per_channel_affine"),
    *("_fused_moving_avg_obs_fq_helper", "fused_moving_avg_obs_fake_quant"),
    *("quantized_decomposed::quantize_per_tensor", "quantized_decomposed::dequantize_per_tensor"),
}

#: Operations that keep bounds if there is one on either side.
_KEEP_BOTH = {
    *("pow", "sqrt", "mul", "div", "sub", "rsub", "neg"),
    *("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d"),
    *("upsample_bilinear2d", "upsample_trilinear3d"),
}


def bounds(op: str, scalars: Sequence[Any], depending: Sequence[Bounds], others: int) -> Bounds:
    """Return the bounds of an operation's output.

    Parameters
    ----------
    op
        Its name, without the overload.
    scalars
        Its arguments that are not tensors; for a clamp, the two limits, each None if it is missing.
    depending
        Bounds of the tensors it reads that depend on the input.
    others
        Number of tensors it reads that do not depend on the input.
    """
    if op in _BOUNDED:
        return _BOTH
    below = all(came.below for came in depending)
    above = all(came.above for came in depending)
    if op not in _KEEP_EACH:
        return _BOTH if op in _KEEP_BOTH and below and above else UNBOUNDED
    if op == "clamp":
        limits = [limit is not None for limit in (*scalars, None, None)[:2]]
        return Bounds(below or limits[0], above or limits[1])
    constant = others > 0 or op not in ("minimum", "maximum")
    return Bounds(
        below or (op in _BOUND_BELOW and constant), above or (op in _BOUND_ABOVE and constant)
    )
