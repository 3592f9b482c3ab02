"""The initial value of psi, and its text, such as "normal:0.3,fixed"; `sites/` has defaults."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from stripe.errors import ModelError
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

    Raises
    ------
    ModelError
        If there is no such kind.

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
            If the text is not in this format. The message shows the valid format.
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
