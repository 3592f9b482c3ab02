"""ASR: attention on a learnable vector psi. The gate ignores the image (see `gated.py`)."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stripe.errors import ModelError
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.typed import typed


@typed
@dataclass(frozen=True, kw_only=True)
class Psi:
    """Initial value of the vector psi, and whether psi is learnable.

    Parameters
    ----------
    value
        The value of every element (constant), or the standard deviation of the elements (normal).
    kind
        "constant" (C_i in Table 7), or "normal" (N_i in Table 7, drawn from N(0, i^2)).
    learnable
        Whether psi is a parameter. If False, psi is a buffer that keeps its initial value.

    Examples
    --------
    >>> stripe.Psi.parse("normal:0.3,fixed")
    Psi(value=0.3, kind='normal', learnable=False)
    """

    value: float = 0.1
    kind: Literal["constant", "normal"] = "constant"
    learnable: bool = True

    def __post_init__(self) -> None:
        if self.kind not in ("constant", "normal"):
            raise ModelError(f"psi is constant or normal, got {self.kind!r}")

    @classmethod
    @typed
    def parse(cls, text: str) -> "Psi":
        """Read a psi from text, such as "0.1", "constant:0.1" or "normal:0.3,fixed".

        Raises
        ------
        ModelError
            If the text has another format. The message shows the format.
        """
        start, *options = text.split(",")
        kind, _, number = start.rpartition(":")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if kind not in ("", "constant", "normal") or options not in ([], ["fixed"]):
            value = math.nan
        if not math.isfinite(value):
            raise ModelError(
                f"psi is a number, constant:NUMBER or normal:NUMBER, with or without ,fixed; "
                f"got {text!r}"
            )
        named: Any = {"kind": kind} if kind else {}
        return cls(value=value, learnable=not options, **named)

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        kind = "" if self.kind == "constant" else f"{self.kind}:"
        return f"{kind}{float(self.value)!r}" + ("" if self.learnable else ",fixed")

    def tensor(self, channels: int) -> Float[Tensor, "1 c 1 1"]:
        """Return the initial psi. Kind "normal" draws its values from torch's global generator."""
        if self.kind == "normal":
            return torch.randn(1, channels, 1, 1) * self.value
        return torch.full((1, channels, 1, 1), float(self.value))


class ASR(nn.Module):
    """Compute a gate from a vector instead of the features y: `v = attention(psi)`.

    After training, v is a constant, which `reparameterize` folds into the host.

    Parameters
    ----------
    attention
        Any attention module. If None, the gate is psi itself (Table 9).
    psi
        The vector psi, of shape (1, C, 1, 1).
    learnable
        Whether psi is a parameter. If False, psi is a buffer.

    References
    ----------
    Section 3, "Training phase", and Figure 1b; Tables 7, 9 and 13.

    Examples
    --------
    >>> gate = stripe.asr.ASR(stripe.attention.SE(8), psi=torch.full((1, 8, 1, 1), 0.1))
    >>> gate(torch.rand(5, 8, 7, 7)).shape  # the images play no part
    torch.Size([1, 8, 1, 1])
    """

    @typed
    def __init__(
        self, attention: nn.Module | None, psi: Float[Tensor, "1 c 1 1"], *, learnable: bool = True
    ) -> None:
        super().__init__()
        self.attention = nn.Identity() if attention is None else attention
        if learnable:
            self.psi = nn.Parameter(psi)
        else:
            self.register_buffer("psi", psi)
        self.train(self.training)

    def train(self, mode: bool = True) -> "ASR":
        """Set the mode. Batch norms stay in evaluation mode, because psi is a batch of one."""
        super().train(mode)
        for module in self.attention.modules():
            if isinstance(module, nn.modules.batchnorm._NormBase):
                module.eval()
        return self

    def moves(self) -> bool:
        """Return whether the gate depends on psi. On the meta device, the result is always True."""
        if self.psi.is_meta:
            return True
        psi = self.psi.detach().requires_grad_()
        with interrupts_held(), torch.enable_grad(), interrupts_allowed():
            (gradient,) = torch.autograd.grad(self.attention(psi).sum(), psi)
        return bool(gradient.abs().sum() > 0)

    def forward(self, y: Tensor) -> Float[Tensor, "1 c 1 1"]:
        """Return the gate, in the number format of `y`."""
        return self.value().to(y.dtype)

    def value(self) -> Float[Tensor, "1 c 1 1"]:
        """Return the gate in psi's own number format."""
        v: Tensor = self.attention(self.psi)
        return v
