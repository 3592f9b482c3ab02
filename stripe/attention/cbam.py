"""The Convolutional Block Attention Module."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stripe.attention.pool import global_average
from stripe.attention.registry import ATTENTIONS
from stripe.attention.sizes import hidden_units
from stripe.errors import StripeError
from stripe.typed import typed


class ChannelGate(nn.Module):
    """Compute CBAM's channel gate: `activation(mlp(GAP(x)) + mlp(GMP(x)))`.

    GAP is the global average, and GMP the global maximum. The mlp has no biases.
    """

    def __init__(
        self, channels: int, reduction: int, activation: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        hidden = hidden_units(channels, reduction)
        self.reduce = nn.Conv2d(channels, hidden, kernel_size=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.expand = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)
        self.activation = activation

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """Return the channel gate of features `x`."""
        average, largest = global_average(x), x.amax((2, 3), keepdim=True)
        logits = sum(self.expand(self.relu(self.reduce(u))) for u in (average, largest))
        return self.activation(logits)


class SpatialGate(nn.Module):
    """Compute CBAM's spatial map: `activation(conv7x7([mean_c(x), max_c(x)]))`, no bias."""

    def __init__(self, kernel_size: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.activation = activation

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
        """Return the spatial map of features `x`."""
        planes = torch.cat((x.mean(1, keepdim=True), x.amax(1, keepdim=True)), dim=1)
        return self.activation(self.conv(planes))


@ATTENTIONS.register("cbam")
class CBAM(nn.Module):
    """Compute CBAM's gate, the product of a channel gate and a spatial map.

    `v = channel(x) * spatial(x * channel(x))` has the shape (B, C, H, W). Each factor is the output
    of a submodule, `channel` or `spatial`, so either of them can be recorded.

    Parameters
    ----------
    channels
        C, the number of channels of x.
    reduction
        Reduction ratio: the hidden layer of the channel gate has `channels / reduction` units,
        rounded down, but at least one.
    kernel_size
        Height and width of the spatial convolution's kernel, in pixels: an odd number.
    activation
        Last non-linearity of both factors.

    Raises
    ------
    StripeError
        If `channels` or `reduction` is below 1, or `kernel_size` is not odd and positive.

    References
    ----------
    Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, equations 1 to 3.

    Notes
    -----
    Some implementations have a batch norm after the spatial convolution. This one does not.

    Examples
    --------
    >>> stripe.attention.CBAM(32)(torch.rand(8, 32, 7, 7)).shape
    torch.Size([8, 32, 7, 7])
    """

    @typed
    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        kernel_size: int = 7,
        activation: Callable[[Tensor], Tensor] = torch.sigmoid,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise StripeError(f"kernel_size must be odd and positive, got {kernel_size}")
        self.channel = ChannelGate(channels, reduction, activation)
        self.spatial = SpatialGate(kernel_size, activation)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Return the gate of features `x`."""
        channel: Tensor = self.channel(x)
        spatial: Tensor = self.spatial(x * channel)
        return channel * spatial
