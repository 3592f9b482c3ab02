"""Networks with gates in any order of layers, and freezing as the tests want it."""

from typing import Any

import numpy as np
import torch
from timm.layers.squeeze_excite import SqueezeExcite
from torch import Tensor, nn

import stripe


def freeze(*args: Any, **options: Any) -> Any:
    """Freeze; the result has attributes that a plain module is not known to have."""
    return stripe.freeze(*args, **options)


def randomized(model: nn.Module) -> Any:
    """Draw every weight that starts at 0 or 1, so that no error can hide behind one."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.running_mean is not None:
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)  # type: ignore[union-attr]
    for parameter in model.parameters():
        if (parameter == parameter.flatten()[0]).all():
            with torch.no_grad():
                parameter.uniform_(0.5, 1.5, generator=generator)
    return model.eval()


def means_of(gates: list[stripe.Gate], low: float = 0.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {gate.name: rng.uniform(low, 1, gate.channels) for gate in gates}


class Net(nn.Module):
    """Two layers with a squeeze-and-excitation between them, whose gate is computed by hand."""

    def __init__(self, before: nn.Module, after: nn.Module, channels: int = 8) -> None:
        super().__init__()
        self.before = before
        self.se = SqueezeExcite(channels)
        self.after = after

    def forward(self, x: Tensor) -> Any:
        return self.after(self.se(self.before(x)))


def by_hand(net: Any, x: Tensor, v: Tensor) -> Any:
    with torch.no_grad():
        return net.after(net.before(x) * v.to(x.dtype).view(1, -1, 1, 1))


SIGNED = torch.linspace(-1, 1, 8)
POSITIVE = SIGNED.abs()
CONV = nn.Conv2d(3, 8, 3)
