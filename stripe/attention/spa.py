"""Spatial Pyramid Attention."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stripe.attention.registry import ATTENTIONS
from stripe.attention.sizes import hidden_units
from stripe.typed import typed

LEVELS = (1, 2, 4)


@ATTENTIONS.register("spa")
class SPA(nn.Module):
    """Compute the Spatial Pyramid Attention gate.

    `v = activation(W2 relu(W1 s))`, without biases. The vector s, of shape (B, 21 C), holds the
    averages of x over the cells of 1 x 1, 2 x 2 and 4 x 4 grids. `W1` has the shape (H, 21 C), and
    `W2` the shape (C, H).

    Parameters
    ----------
    channels
        C, the number of channels of x.
    reduction
        Reduction ratio: the hidden layer has H = `C / reduction` units, rounded down, but at least
        one.
    activation
        Last non-linearity.

    Raises
    ------
    StripeError
        If `channels` or `reduction` is below 1.

    References
    ----------
    Guo et al., "SPANet: Spatial Pyramid Attention Network for Enhanced Image Recognition", ICME
    2020, equations 1 to 3.

    Notes
    -----
    For a 1 x 1 plane, such as the psi of an ASR, all 21 averages of a channel are equal.

    Examples
    --------
    >>> stripe.attention.SPA(32)(torch.rand(8, 32, 7, 7)).shape
    torch.Size([8, 32, 1, 1])
    """

    @typed
    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        activation: Callable[[Tensor], Tensor] = torch.sigmoid,
    ) -> None:
        super().__init__()
        hidden = hidden_units(channels, reduction)
        cells = sum(level**2 for level in LEVELS)
        self.reduce = nn.Linear(cells * channels, hidden, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.expand = nn.Linear(hidden, channels, bias=False)
        self.activation = activation

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """Return the gate of features `x`."""
        pyramid = [F.adaptive_avg_pool2d(x, level).flatten(1) for level in LEVELS]
        hidden = self.relu(self.reduce(torch.cat(pyramid, dim=1)))
        return self.activation(self.expand(hidden))[:, :, None, None]
