"""How many channels a layer puts out."""

from torch import nn

from stripe.errors import ModelError

#: The attribute that holds the number of output channels, by class of layer.
_CHANNELS = {
    nn.modules.conv._ConvNd: "out_channels",
    nn.modules.batchnorm._NormBase: "num_features",
    nn.GroupNorm: "num_channels",
    nn.Linear: "out_features",
}


def channels_of(host: nn.Module, name: str) -> int:
    """Return the number of channels that `host`, called `name` in its model, puts out."""
    for layer, attribute in _CHANNELS.items():
        if isinstance(host, layer):
            return int(getattr(host, attribute))
    inner = getattr(host, "host", None)
    if isinstance(inner, nn.Module):
        return channels_of(inner, name)
    raise ModelError(
        f"site {name!r} must be a convolution, a norm or a linear layer, got "
        f"{type(host).__name__}; choose the layer inside it"
    )
