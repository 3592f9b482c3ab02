"""Compare a recording with the plain hooks that each image alone sets off."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import stripe


class Squeeze(nn.Module):
    """Squeeze and excitation whose last layer is a module, with weights that tell images apart."""

    def __init__(self, channels: int = 6, *, dims: tuple[int, ...] = (-2, -1)) -> None:
        super().__init__()
        self.dims = dims
        self.fc = nn.Linear(channels, channels)
        nn.init.normal_(self.fc.weight, std=3)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Any:
        v = self.gate(self.fc(x.mean(self.dims)))
        return x * v.reshape(*v.shape, *(1 for _ in self.dims))


class Bare(nn.Module):
    """A stem, and a body that a test gives."""

    def __init__(self, body: Callable[[Any, Tensor], Any], **children: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.se = Squeeze()
        self.body = body
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, x: Tensor) -> Any:
        return self.body(self, x)

    def one(self, x: Tensor) -> Any:
        return self.se(F.relu(self.stem(x)))


def gates_alone(model: nn.Module, images: Tensor, owners: list[str]) -> dict[str, np.ndarray]:
    """Return the mean over calls and rows of every owner's gate, image by image.

    The gate is the output of the owner's `gate`, taken by a plain hook while the model is given one
    image at a time, so that nothing can be mixed up.
    """
    taken: dict[str, list[list[Tensor]]] = {owner: [] for owner in owners}

    def keep(owner: str, output: Tensor) -> None:
        taken[owner][-1].append(output.reshape(-1, output.shape[1]))

    handles = []
    for owner in owners:
        gate: nn.Module = model.get_submodule(f"{owner}.gate")
        hook = partial(lambda owner, module, args, output: keep(owner, output), owner)
        handles.append(gate.register_forward_hook(hook))
    model.eval()
    with torch.no_grad():
        for image in images:
            for calls in taken.values():
                calls.append([])
            model(image[None])
    for handle in handles:
        handle.remove()
    return {
        owner: torch.stack([torch.cat(calls).mean(0) for calls in images_]).numpy()
        for owner, images_ in taken.items()
    }


def recorded(
    model: nn.Module, batches: list[Tensor], path: Path, **options: Any
) -> dict[str, np.ndarray]:
    """Return the recorded gates by name, averaged where one owner has several."""
    stripe.record(model, batches, path, progress=False, **options)
    recording = stripe.open_recording(path)
    return {name: recording.values(name, 0) for name in recording.gates["name"]}
