"""Run a model in evaluation mode; restore its modes and the random generators afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch
from torch import nn

from stripe.typed import typed


@typed
@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put `model` into evaluation mode without gradients, and undo this at the end of the block.

    The mode of each module is restored separately, so a module in evaluation mode inside a model in
    training mode stays in evaluation mode. The states of torch's random generators are also
    restored, on the CPU and on the CUDA devices of the model's parameters. The `.module()` of a
    program of `torch.export` keeps the mode in which it was exported.

    Examples
    --------
    >>> from stripe.modules import undisturbed
    >>> with undisturbed(model.train()):
    ...     scores = model(images)
    >>> model.training, scores.requires_grad
    (True, False)
    """
    modes = {module: module.training for module in model.modules()}
    devices = {tensor.device for tensor in model.parameters() if tensor.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices, key=str)), torch.no_grad():
        try:
            _set_mode(model, False)
            yield
        finally:
            _set_mode(model, modes[model])  # a module may do more than set a flag
            for module, training in modes.items():
                module.training = training


def _set_mode(model: nn.Module, training: bool) -> None:
    # A program of torch.export stays in its exported mode, and raises on a change.
    with suppress(NotImplementedError):
        model.train(training)
