"""Style-based Recalibration."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stripe.attention.norm import VectorBatchNorm
from stripe.attention.pool import global_average
from stripe.attention.registry import ATTENTIONS
from stripe.attention.sizes import at_least_one
from stripe.typed import typed


@ATTENTIONS.register("srm")
class SRM(nn.Module):
    """Compute the Style-based Recalibration gate.

    `v = activation(BN(w_mu * mean(x) + w_sigma * std(x)))`, with the mean and the standard
    deviation of each plane, both of shape (B, C), and a batch norm BN. Each channel has four
    parameters: w_mu, w_sigma, and the weight and bias of the norm.

    Parameters
    ----------
    channels
        C, the number of channels of x.
    activation
        Last non-linearity.
    eps
        Number added to the variance before the square root.

    Raises
    ------
    StripeError
        If `channels` is below 1.

    References
    ----------
    Lee, Kim and Nam, "SRM: A Style-based Recalibration Module for Convolutional Neural Networks",
    ICCV 2019, equations 2 to 5.

    Notes
    -----
    The sum of squared deviations is divided by H W. The standard deviation of a 1 x 1 plane is
    therefore `sqrt(eps)`. The original divides by H W - 1, which gives NaN for a 1 x 1 plane. A
    batch of one is normalised by the running statistics.

    Examples
    --------
    >>> stripe.attention.SRM(32)(torch.rand(8, 32, 7, 7)).shape
    torch.Size([8, 32, 1, 1])
    """

    @typed
    def __init__(
        self,
        channels: int,
        *,
        activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        at_least_one(channels=channels)
        self.style = nn.Parameter(torch.empty(channels, 2))
        nn.init.kaiming_uniform_(self.style, a=5**0.5)
        self.norm = VectorBatchNorm(channels)
        self.activation = activation
        self.eps = eps

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """Return the gate of features `x`."""
        mean = global_average(x)  # (B, C, 1, 1)
        variance = global_average(torch.square(x - mean))
        style = torch.cat((mean, torch.sqrt(variance + self.eps)), dim=2).squeeze(3)  # (B, C, 2)
        gate: Tensor = self.activation(self.norm((style * self.style).sum(2)))
        return gate[:, :, None, None]
