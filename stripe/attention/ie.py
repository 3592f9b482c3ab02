"""Instance Enhancement."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stripe.attention.pool import global_average
from stripe.attention.registry import ATTENTIONS
from stripe.attention.sizes import at_least_one
from stripe.typed import typed


@ATTENTIONS.register("ie")
class IE(nn.Module):
    """Compute the Instance Enhancement gate, a separate affine map of each channel.

    `v_c = activation(w_c u_c + b_c)`, where the squeeze u of shape (B, C) is the global average of
    x. Each channel has two parameters.

    Parameters
    ----------
    channels
        C, the number of channels of x.
    activation
        Last non-linearity.
    weight
        Initial value of w. With 0, the published value, the gate is the same for every image until
        training has changed w.

    Raises
    ------
    StripeError
        If `channels` is below 1.

    References
    ----------
    Liang, Huang, Liang and Yang, "Instance Enhancement Batch Normalization: an Adaptive Regulator
    of Batch Noise", AAAI 2020, equation 5; with the initial values w = 0 and b = -1.

    Examples
    --------
    >>> stripe.attention.IE(32)(torch.rand(8, 32, 7, 7)).shape
    torch.Size([8, 32, 1, 1])
    """

    @typed
    def __init__(
        self,
        channels: int,
        *,
        activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        weight: float = 0.0,
    ) -> None:
        super().__init__()
        at_least_one(channels=channels)
        self.weight = nn.Parameter(torch.full((1, channels, 1, 1), weight))
        self.bias = nn.Parameter(torch.full((1, channels, 1, 1), -1.0))
        self.activation = activation

    @classmethod
    def on_psi(
        cls, channels: int, *, activation: Callable[[Tensor], Tensor] = torch.sigmoid
    ) -> "IE":
        """Return a module for an ASR, with an initial w of 0.1.

        At w = 0, psi gets no gradient in the first step, so `ASR.moves` would return False. The
        ASR paper does not give the initial w of its IE.
        """
        return cls(channels, activation=activation, weight=0.1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """Return the gate of features `x`."""
        return self.activation(global_average(x) * self.weight + self.bias)
