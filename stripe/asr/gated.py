"""A layer and the gate that multiplies its output."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from stripe.typed import typed


class Gated(nn.Module):
    """Multiply the output y of `host` by the output of `gate`: `y = host(x); y * gate(y)`.

    If `gate` is an ASR, it ignores y.

    `stripe.insert` adds every gate in this form. A forward hook on `gate` therefore receives the
    features before the product as the module's input, and the factor as the module's output.

    Parameters
    ----------
    host
        The layer whose output is gated, usually the last norm of a residual branch. If its output
        is a tuple, as in multi-head attention, the first entry is gated.
    gate
        Module that maps y of shape (B, C, H, W) to a gate of shape (B, C, 1, 1), or of another
        shape that broadcasts to y.
    channel_dim
        Axis of the channels of y: 1, or -1 for N tokens per image, (B, N, C). The gate always
        receives (B, C, H, W); for tokens this is (B, C, N, 1).

    References
    ----------
    Equation 4 of the ASR paper; Appendix C for tokens.

    Examples
    --------
    >>> gated = stripe.Gated(torch.nn.Conv2d(1, 8, 3), stripe.attention.SE(8))
    >>> gated(images).shape
    torch.Size([8, 8, 26, 26])
    """

    @typed
    def __init__(self, host: nn.Module, gate: nn.Module, *, channel_dim: int = 1) -> None:
        super().__init__()
        self.host = host
        self.gate = gate
        self.channel_dim = channel_dim

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the gated output of the host."""
        y = self.host(*args, **kwargs)
        if isinstance(y, tuple):
            return (self._gated(y[0]), *y[1:])
        return self._gated(y)

    def _gated(self, y: Tensor) -> Tensor:
        if y.ndim == 4 and self.channel_dim == 1:
            v: Tensor = self.gate(y)
        else:
            v = _like(self.gate(_planes(y, self.channel_dim)), y, self.channel_dim)
        return y * v


def _planes(y: Tensor, channel_dim: int) -> Float[Tensor, "b c h w"]:
    """View features of any number of dimensions as planes."""
    y = y.movedim(channel_dim, 1)
    height = y.shape[2] if y.ndim > 2 else 1
    return y.reshape(*y.shape[:2], height, -1)


def _like(v: Tensor, y: Tensor, channel_dim: int) -> Tensor:
    """Bring a gate of planes to the shape of `y`, where it broadcasts."""
    whole = v.shape[2] * v.shape[3] > 1  # a spatial map too, as CBAM's
    spread = y.movedim(channel_dim, 1).shape[2:] if whole else (1,) * (y.ndim - 2)
    return v.reshape(*v.shape[:2], *spread).movedim(1, channel_dim)
