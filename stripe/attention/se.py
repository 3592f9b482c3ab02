"""Squeeze-and-Excitation."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stripe.attention.pool import global_average
from stripe.attention.registry import ATTENTIONS
from stripe.attention.sizes import hidden_units
from stripe.typed import typed


@ATTENTIONS.register("se")
class SE(nn.Module):
    """Compute the Squeeze-and-Excitation gate.

    `v = activation(W2 relu(W1 u + b1) + b2)`, where the squeeze u of shape (B, C) is the global
    average of x. `W1` has the shape (C / reduction, C), and `W2` the shape (C, C / reduction).

    Parameters
    ----------
    channels
        C, the number of channels of x.
    reduction
        Reduction ratio: the hidden layer has `channels / reduction` units, rounded down, but at
        least one.
    activation
        Last non-linearity; `torch.sigmoid` keeps the gate in (0, 1).

    Raises
    ------
    StripeError
        If `channels` or `reduction` is below 1.

    References
    ----------
    Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018, equations 2 and 3; Equation 4
    of the ASR paper.

    Examples
    --------
    >>> stripe.attention.SE(32)(torch.rand(8, 32, 7, 7)).shape
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
        self.reduce = nn.Conv2d(channels, hidden, kernel_size=1)
        self.relu = nn.ReLU(inplace=True)
        self.expand = nn.Conv2d(hidden, channels, kernel_size=1)
        self.activation = activation

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """Return the gate of features `x`."""
        u = global_average(x)  # (B, C, 1, 1)
        return self.activation(self.expand(self.relu(self.reduce(u))))
