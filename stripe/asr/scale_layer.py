"""The rules, by class of layer, that multiply a layer's output or input by a constant.

`@scale_output.register` adds a kind of layer before a gate, and `@scale_input.register` one after
it. If a layer only passes on what its parent computed, `@scale_passage.register` adds the class of
the parent. `stripe.freeze` must also know the operation, in `stripe/gates/folding/weights.py`.
"""

from functools import singledispatch
from typing import Any

import torch
from jaxtyping import Float
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from timm.models.byobnet import RepVggBlock
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.utils.parametrize import is_parametrized

from stripe.asr.channels import ungated
from stripe.errors import ModelError
from stripe.typed import typed

#: The forward methods of layers that use their weight unchanged.
_PLAIN_FORWARDS = {
    kind.forward
    for kind in (
        *(nn.Conv1d, nn.Conv2d, nn.Conv3d, Conv2dSame),
        *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        *(nn.Linear, NonDynamicallyQuantizableLinear),
    )
}

#: One factor per channel, in the model's number format.
Factors = Float[Tensor, " c"]


@typed
@singledispatch
def scale_output(layer: nn.Module, v: Factors) -> None:
    """Change `layer`, in place, so that its output is multiplied by `v`, of shape (C,).

    Raises
    ------
    ModelError
        If there is no rule for the class of the layer, if its weight may be recomputed in every
        pass (as with a parametrization), if an activation follows inside the layer, or if a layer
        norm or RMS norm normalises over more than the channels.

    References
    ----------
    Equations 6 and 7; Appendix B.

    Examples
    --------
    >>> norm = torch.nn.BatchNorm2d(2).eval()
    >>> stripe.asr.scale_output(norm, torch.tensor([2.0, 0.5]))
    >>> norm.weight.tolist()
    [2.0, 0.5]
    """
    raise ModelError(
        f"a {type(layer).__name__} cannot take a constant scale; gate a convolution, a norm, a "
        "linear layer or multi-head attention instead"
    )


def scale_linear_map(layer: nn.Module, v: Factors) -> None:
    """Scale the output of a layer before any activation inside it, in place.

    It is the same as `scale_output`, except for norms that end in an activation, such as timm's.
    """
    if isinstance(layer, nn.modules.batchnorm._NormBase | nn.GroupNorm):
        _affine(layer, v)
    elif isinstance(layer, nn.LayerNorm | nn.RMSNorm):
        _affine_of_channels(layer, v)
    else:
        scale_output(layer, v)


@singledispatch
def scale_input(layer: nn.Module, v: Factors) -> None:
    """Change `layer`, in place, so that its output for x is what it was for v x, v of shape (C,).

    Raises
    ------
    ModelError
        If there is no rule for the class of the layer, its weight may be recomputed in every pass,
        or it is a weight-standardised convolution.
    """
    raise ModelError(f"a {type(layer).__name__} cannot take a scale of its input channels")


@scale_input.register
def _convolution_input(layer: nn.modules.conv._ConvNd, v: Factors) -> None:
    _check_plain_weight(layer)
    if getattr(layer, "gain", None) is not None:
        raise ModelError("the weights of a standardised convolution cannot take a scale")
    if layer.transposed:  # (C_in, C_out / groups, ...)
        _multiply(layer.weight, v)
        return
    grouped = v.view(layer.groups, 1, -1).expand(-1, layer.out_channels // layer.groups, -1)
    _multiply(layer.weight, grouped.reshape(layer.weight.shape[:2]))


@scale_input.register
def _linear_input(layer: nn.Linear, v: Factors) -> None:
    _check_plain_weight(layer)
    _multiply(layer.weight, v.expand(layer.weight.shape))


@singledispatch
def scale_passage(parent: nn.Module, child: str, v: Factors) -> None:
    """Change `parent`, in place, so that the input of `child` is multiplied by `v`."""
    raise NotImplementedError(f"ask passes_on first: {type(parent).__name__}")


def passes_on(parent: nn.Module) -> bool:
    """Tell whether a rule of `scale_passage` knows this kind of parent."""
    return scale_passage.dispatch(type(parent)) is not scale_passage.dispatch(object)


@scale_output.register
def _convolution(layer: nn.modules.conv._ConvNd, v: Factors) -> None:
    """Scale the kernels and the bias: C(x; K, b) v = C(x; K v, b v)."""
    _check_plain_weight(layer)
    gain: Any = getattr(layer, "gain", None)
    if gain is not None:  # weight-standardised: the kernels' own scale is divided out
        _multiply(gain, v)
    elif layer.transposed:  # (C_in, C_out / groups, ...), the groups side by side in C_in
        grouped = v.view(layer.groups, 1, -1).expand(-1, layer.in_channels // layer.groups, -1)
        _multiply(layer.weight, grouped.reshape(layer.weight.shape[:2]))
    else:
        _multiply(layer.weight, v)
    _multiply(layer.bias, v)


@scale_output.register
def _linear(layer: nn.Linear, v: Factors) -> None:
    _check_plain_weight(layer)
    _multiply(layer.weight, v)
    _multiply(layer.bias, v)


@scale_output.register
def _batch_or_instance_norm(layer: nn.modules.batchnorm._NormBase, v: Factors) -> None:
    """Scale gamma and beta: BN(x; gamma, beta) v = BN(x; gamma v, beta v)."""
    _check_no_activation(layer)
    _affine(layer, v)


@scale_output.register
def _group_norm(layer: nn.GroupNorm, v: Factors) -> None:
    _check_no_activation(layer)
    _affine(layer, v)


@scale_output.register(nn.LayerNorm)
@scale_output.register(nn.RMSNorm)
def _layer_norm(layer: nn.LayerNorm | nn.RMSNorm, v: Factors) -> None:
    _check_no_activation(layer)
    _affine_of_channels(layer, v)


def _affine_of_channels(layer: nn.LayerNorm | nn.RMSNorm, v: Factors) -> None:
    if len(layer.normalized_shape) != 1:
        raise ModelError(
            f"a {type(layer).__name__} must normalise the channels alone to take a scale, got "
            f"normalized_shape {tuple(layer.normalized_shape)}"
        )
    layer.elementwise_affine = True
    _affine(layer, v)


@scale_output.register
def _attention(layer: nn.MultiheadAttention, v: Factors) -> None:
    """Scale the output projection, the last linear map (Appendix B, equation 18)."""
    _linear(layer.out_proj, v)


@scale_passage.register
def _norm_before_activation(parent: BatchNormAct2d, child: str, v: Factors) -> None:
    if child != "drop":
        raise ModelError(f"only 'drop' of a {type(parent).__name__} can be gated, got {child!r}")
    _affine(parent, v)


@scale_passage.register
def _sum_of_branches(parent: RepVggBlock, child: str, v: Factors) -> None:
    """Scale every branch, or the one convolution after RepVGG's own fusion."""
    if child != "attn":
        raise ModelError(f"only 'attn' of a RepVggBlock can be gated, got {child!r}")
    block: Any = parent
    if not isinstance(ungated(block.attn), nn.Identity):
        raise ModelError("its block has attention of its own there; gate another layer")
    if block.reparam_conv is not None:
        scale_output(block.reparam_conv, v)
        return
    for norm in (block.conv_kxk.bn, block.conv_1x1.bn, block.identity):
        if norm is not None:
            scale_output(norm, v)


def _check_plain_weight(layer: nn.Module) -> None:
    """Refuse weights that are computed anew in every pass, where a scale would be lost."""
    computed = is_parametrized(layer) or "weight" not in layer._parameters
    own = type(layer).forward not in _PLAIN_FORWARDS and not hasattr(layer, "gain")
    if computed or own:
        raise ModelError(
            f"the weight of this {type(layer).__name__} may be recomputed in every pass, so a "
            "scale would be lost; gate a norm instead, or remove the parametrization"
        )


def _check_no_activation(layer: nn.Module) -> None:
    act = getattr(layer, "act", None)  # timm's norms that end in an activation
    if act is not None and not isinstance(act, nn.Identity):
        raise ModelError(
            f"a gate after the {type(act).__name__} inside a {type(layer).__name__} does not fold; "
            "gate its 'drop', which comes before the activation, or the layer before"
        )


def _affine(layer: Any, v: Factors) -> None:
    """Scale the weight and bias of a norm. If it has neither, give it both."""
    if layer.weight is not None:
        _multiply(layer.weight, v)
        _multiply(getattr(layer, "bias", None), v)
        return
    statistics = getattr(layer, "running_mean", None)
    layer.weight = nn.Parameter(v.to(v.dtype if statistics is None else statistics.dtype).clone())
    if "bias" in layer._parameters:  # an RMS norm has none
        layer.affine = True
        layer.bias = nn.Parameter(torch.zeros_like(layer.weight))


def _multiply(parameter: Tensor | None, v: Tensor) -> None:
    """Multiply along the leading dimensions, in float64, in place."""
    if parameter is not None:
        spread = v.double().view(*v.shape, *[1] * (parameter.ndim - v.ndim))
        parameter.data = (parameter.data.double() * spread).to(parameter.dtype)
