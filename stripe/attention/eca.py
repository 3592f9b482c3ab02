"""Efficient Channel Attention."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stripe.attention.pool import global_average
from stripe.attention.registry import ATTENTIONS
from stripe.attention.sizes import at_least_one
from stripe.typed import typed


@ATTENTIONS.register("eca")
class ECA(nn.Module):
    """Compute the Efficient Channel Attention gate, a convolution along the channels.

    `v = activation(conv1d(u))`, where the squeeze u of shape (B, C) is the global average of x. All
    channels share one kernel, without bias. Its size is `(log2(C) + 1) / 2` rounded down, plus 1 if
    the result is even.

    Parameters
    ----------
    channels
        C, the number of channels of x, which determines the size of the kernel.
    activation
        Last non-linearity.

    Raises
    ------
    StripeError
        If `channels` is below 1.

    References
    ----------
    Wang et al., "ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks",
    CVPR 2020, equations 5 to 12, with gamma = 2 and b = 1.

    Examples
    --------
    >>> stripe.attention.ECA(32)(torch.rand(8, 32, 7, 7)).shape
    torch.Size([8, 32, 1, 1])
    """

    @typed
    def __init__(
        self, channels: int, *, activation: Callable[[Tensor], Tensor] = torch.sigmoid
    ) -> None:
        super().__init__()
        at_least_one(channels=channels)
        size = int((math.log2(channels) + 1) / 2)
        size += 1 - size % 2
        self.conv = nn.Conv1d(1, 1, kernel_size=size, padding=size // 2, bias=False)
        self.activation = activation

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """Return the gate of features `x`."""
        u = global_average(x).flatten(1)  # (B, C)
        gate: Tensor = self.activation(self.conv(u[:, None, :])).squeeze(1)
        return gate[:, :, None, None]
