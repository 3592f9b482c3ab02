"""Draw a reproducible random sample of the images of a data set."""

import torch
from jaxtyping import Int64
from torch import Tensor


def sample(total: int, count: int, seed: int = 0) -> Int64[Tensor, " drawn"]:
    """Draw up to `count` of `total` positions without repeats, in ascending order.

    The sample depends only on these three numbers. Different networks are therefore compared on the
    same images.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn: Tensor = torch.randperm(total, generator=generator)[:count].sort().values
    return drawn
