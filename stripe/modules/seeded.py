"""Draw random numbers from a seed, and restore torch's generator."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from stripe.interrupts import interrupts_allowed, interrupts_held


@contextmanager
def generator_kept(*, enabled: bool = True) -> Iterator[None]:
    """Restore the state of torch's generator after a block that may draw from it.

    A `DataLoader` draws from it when its iteration begins. The generator is that of the CPU.
    """
    with (
        interrupts_held(),
        torch.random.fork_rng(devices=[], enabled=enabled),
        interrupts_allowed(),
    ):
        yield


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from a seed within a block; with None, draw from torch's generator as it is.

    The generator is that of the CPU, on which modules draw their weights.
    """
    with generator_kept(enabled=seed is not None):
        if seed is not None:
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would touch GPUs too
        yield
