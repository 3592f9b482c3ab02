"""Run a model in evaluation without leaving a trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation without gradients; afterwards restore every mode and generator.

    Each module gets its own mode back, so one that was frozen in evaluation inside a training
    model stays so. The generators are torch's, on the CPU and on the model's devices.
    """
    modes = {module: module.training for module in model.modules()}
    devices = {tensor.device for tensor in model.parameters() if tensor.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices, key=str)), torch.no_grad():
        try:
            model.eval()
            yield
        finally:
            model.train(modes[model])  # a module may do more than set a flag
            for module, training in modes.items():
                module.training = training
