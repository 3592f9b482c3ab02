"""ASR: attention on a learnable vector psi. The gate ignores the image (see `gated.py`)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.typed import typed


class ASR(nn.Module):
    """Compute a gate from a vector psi instead of the features y: `v = attention(psi)`.

    After training, v is a constant, which `reparameterize` folds into the layer whose output it
    multiplies (the host).

    Parameters
    ----------
    attention
        Any attention module. If None, the gate is psi itself (Table 9).
    psi
        Initial value of psi, of shape (1, C, 1, 1).
    learnable
        Whether psi is a parameter. If False, psi is a buffer.

    References
    ----------
    Section 3, "Training phase", and Figure 1b; Tables 7, 9 and 13.

    Examples
    --------
    >>> gate = stripe.asr.ASR(stripe.attention.SE(8), psi=torch.full((1, 8, 1, 1), 0.1))
    >>> gate(torch.rand(5, 8, 7, 7)).shape  # one gate for all images
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
        """Return whether the gate has a gradient with respect to psi.

        On the meta device, the result is always True.
        """
        if self.psi.is_meta:
            return True
        psi = self.psi.detach().requires_grad_()
        with interrupts_held(), torch.enable_grad(), interrupts_allowed():
            gate = self.attention(psi).flatten()
            if not gate.requires_grad:
                return False
            # The sum alone of a softmax is constant.
            weights = torch.arange(1, len(gate) + 1).to(gate)
            (gradient,) = torch.autograd.grad(weights @ gate, psi, allow_unused=True)
        return gradient is not None and bool(gradient.abs().sum() > 0)

    def forward(self, y: Tensor) -> Float[Tensor, "1 c 1 1"]:
        """Return the gate, in the dtype of `y`."""
        return self.value().to(y.dtype)

    def value(self) -> Float[Tensor, "1 c 1 1"]:
        """Return the gate in the dtype of psi."""
        v: Tensor = self.attention(self.psi)
        return v
