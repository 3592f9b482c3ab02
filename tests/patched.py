"""Small networks with gates, and copies of them that are patched by hand."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import stripe

How = Callable[[Tensor], Tensor]


class ByHand(nn.Module):
    """A module whose output goes through a function of its values, (B, C)."""

    def __init__(self, module: nn.Module, how: How) -> None:
        super().__init__()
        self.module, self.how = module, how

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.module(x)
        return self.how(gate.flatten(1)).reshape(gate.shape)


class ByFunctions(nn.Module):
    """Two gates that functions compute, and a product before them that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.squeeze = nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)
        self.how: How = lambda values: values

    def forward(self, x: Tensor) -> Any:
        y = self.conv(x)
        y = y * torch.ones_like(y)
        gate = torch.sigmoid(self.squeeze(y.mean((2, 3))))
        y = y * self.how(gate)[:, :, None, None]
        return self.head((y * torch.sigmoid(y.mean((2, 3), keepdim=True))).mean((2, 3)))


def network(attention: str, **options: Any) -> Any:
    torch.manual_seed(0)
    built = stripe.build(
        "resnet8_basic", attention=attention, num_classes=10, in_channels=1, **options
    )
    for name, parameter in built.named_parameters():  # so that every gate depends on the image
        if "reduce.bias" in name:
            nn.init.constant_(parameter, 5.0)
    return built.double().eval()


def of_functions() -> Any:
    torch.manual_seed(0)
    return ByFunctions().double().eval()


def split_attention() -> Any:
    import timm

    torch.manual_seed(0)
    options: Any = {"num_classes": 5, "layers": (1, 1, 1, 1), "zero_init_last": False}
    return timm.create_model("resnest14d", **options).double().eval()


def same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one, other)


NUDGE: How = lambda values: values * torch.linspace(0.5, 1.5, values.shape[1]).to(values) ** 2  # noqa: E731


def kept_in(seen: list[Tensor]) -> How:
    """Return a function that keeps what it is given, and changes nothing."""

    def keep(values: Tensor) -> Tensor:
        seen.append(values)
        return values

    return keep


def by_hand(model: Any, gate: str, how: How) -> Any:
    """Return a copy in which the module that makes a gate is wrapped."""
    patched = copy.deepcopy(model)
    owner, _, name = gate.rpartition(".")
    parent = patched.get_submodule(owner)
    setattr(parent, name, ByHand(getattr(parent, name), how))
    return patched
