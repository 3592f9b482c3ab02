"""Instance Enhancement."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stripe.attention.pool import global_average
from stripe.attention.registry import ATTENTIONS


@ATTENTIONS.register("ie")
class IE(nn.Module):
    """Compute the Instance Enhancement gate, an affine map of each channel by itself.

    `v_c = activation(w_c u_c + b_c)` with the squeeze `u = GAP(x)` of shape (B, C): two parameters
    a channel.

    Parameters
    ----------
    channels
        C, the number of channels of x.
    activation
        The last non-linearity.

    References
    ----------
    Liang, Huang, Liang and Yang, "Instance Enhancement Batch Normalization: an Adaptive Regulator
    of Batch Noise", AAAI 2020, equation 5.

    Notes
    -----
    It starts at b = -1, as in that paper, and at w = 0.1 rather than 0, where no gradient would
    reach the squeeze, and with it an ASR's psi, in the first step.
    """

    def __init__(
        self, channels: int, *, activation: Callable[[Tensor], Tensor] = torch.sigmoid
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, channels, 1, 1), 0.1))
        self.bias = nn.Parameter(torch.full((1, channels, 1, 1), -1.0))
        self.activation = activation

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """Return the gate of features `x`."""
        return self.activation(global_average(x) * self.weight + self.bias)
