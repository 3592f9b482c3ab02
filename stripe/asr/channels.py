"""The number of channels of a layer's output, and their dimension."""

from typing import Any

from timm.layers.norm_act import BatchNormAct2d
from timm.models.byobnet import RepVggBlock
from torch import nn

from stripe.asr.gated import Gated
from stripe.errors import ModelError

#: The attribute that holds the number of output channels, by class of layer.
_CHANNELS: dict[type[nn.Module], str] = {
    nn.modules.conv._ConvNd: "out_channels",
    nn.modules.batchnorm._NormBase: "num_features",
    nn.GroupNorm: "num_channels",
    nn.Linear: "out_features",
    nn.MultiheadAttention: "embed_dim",
}

#: Layers whose output is tokens (B, N, C).
_TOKENS = (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.MultiheadAttention)


def channels_of(model: nn.Module, name: str) -> int:
    """Return the number of channels in the output of layer `name` of `model`.

    A layer that passes features on, as a dropout or an identity, has those of the norm or block
    that it is a part of.
    """
    host = ungated(model.get_submodule(name))
    count = _own_channels(host)
    if count is None:
        count = _own_channels(model.get_submodule(name.rpartition(".")[0]), as_parent=True)
    if count is None:
        raise ModelError(
            f"site {name!r} must be a convolution, a norm or a linear layer, got "
            f"{type(host).__name__}; choose the layer inside it"
        )
    return count


def channel_dim_of(host: nn.Module) -> int:
    """Return the dimension of the channels in the output of `host`: 1, or -1 for tokens."""
    host = ungated(host)
    planes = type(host).__name__.endswith("2d")  # timm's and torchvision's norms of planes
    return -1 if isinstance(host, _TOKENS) and not planes else 1


def ungated(host: nn.Module) -> nn.Module:
    """Return the layer inside all gates."""
    while isinstance(host, Gated):
        host = host.host
    return host


def _own_channels(layer: nn.Module, *, as_parent: bool = False) -> int | None:
    if as_parent and not isinstance(layer, BatchNormAct2d | RepVggBlock):
        return None
    if isinstance(layer, RepVggBlock):
        convolution: Any = layer.reparam_conv or layer.conv_kxk.conv
        return int(convolution.out_channels)
    if isinstance(layer, nn.LayerNorm | nn.RMSNorm):
        if len(layer.normalized_shape) > 1:
            raise ModelError(
                f"a {type(layer).__name__} must normalise the channels alone to be gated, got "
                f"normalized_shape {tuple(layer.normalized_shape)}; gate the layer before"
            )
        return int(layer.normalized_shape[-1])
    for kind, attribute in _CHANNELS.items():
        if isinstance(layer, kind):
            return int(getattr(layer, attribute))
    channels = getattr(layer, "out_channels", None)  # blocks that say so, as ACBlock
    return channels if isinstance(channels, int) else None
