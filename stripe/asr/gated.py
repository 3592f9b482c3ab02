"""A layer and the gate that multiplies its output."""

from torch import Tensor, nn


class Gated(nn.Module):
    """Multiply the output of `host` by the gate computed from it: `y = host(x); y * gate(y)`.

    This is the only place in the project where a gate multiplies, so that hooks on `gate` see
    both what is multiplied (its input) and by what (its output).

    Parameters
    ----------
    host
        The layer whose output is gated, as a rule the last norm of a residual branch.
    gate
        Maps y of shape (B, C, H, W) to a gate of shape (B, C, 1, 1), or one that broadcasts to y.

    References
    ----------
    Equation 4 of the ASR paper.
    """

    def __init__(self, host: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.host = host
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        """Return the gated output of the host."""
        y: Tensor = self.host(x)
        v: Tensor = self.gate(y)
        return y * v
