"""The spectral norm of a linear map given as a function."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from stripe.interrupts import interrupts_allowed, interrupts_held


def spectral_norm(
    linear: Callable[[Tensor], Tensor],
    shape: Sequence[int],
    *,
    iterations: int = 100,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> float:
    """Return the largest singular value of a linear map, by power iteration on A^T A.

    Parameters
    ----------
    linear
        Differentiable function from x to A x. Its derivative gives A^T.
    shape
        Shape of x.
    iterations
        Maximum number of iterations.
    tolerance
        Stop when an iteration changes the value by at most this share of it.
    seed
        Seed of the first x.

    Notes
    -----
    Power iteration converges from below: the value is at most the true norm.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(tuple(shape), generator=generator)
    value = 0.0
    for _ in range(iterations):
        x = x / x.norm().clamp_min(1e-30)
        with interrupts_held(), torch.enable_grad(), interrupts_allowed():
            leaf = x.requires_grad_()
            image = linear(leaf)
            (back,) = torch.autograd.grad(image, leaf, image.detach())
        before, value = value, float(image.detach().norm())
        if abs(value - before) <= tolerance * value:
            break
        x = back.detach()
    return value
