"""A layer and the gate that multiplies its output."""

import torch
from torch import nn

from stripe.asr import Gated


class Halve(nn.Module):
    """A gate of one half for every channel."""

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return torch.full((len(y), y.shape[1], 1, 1), 0.5)


def test_multiplies_the_host_by_its_gate() -> None:
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(Gated(nn.ReLU(), Halve())(x), x.relu() / 2)


def test_the_gate_sees_what_it_multiplies() -> None:
    seen = []
    gated = Gated(nn.ReLU(), Halve())
    gated.gate.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    x = torch.randn(2, 3, 4, 4)
    gated(x)
    torch.testing.assert_close(seen[0], x.relu())
