"""The network inside a wrapper, and its modules by the names that it gives them itself."""

import torch
from torch import nn

from stripe.errors import ModelError

_PARALLEL = (nn.parallel.DistributedDataParallel, nn.DataParallel)


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the network inside `torch.compile`, DistributedDataParallel and DataParallel.

    Raises
    ------
    ModelError
        If it, or a part of it, is scripted: its forward pass cannot be watched.
    """
    while True:
        if isinstance(model, _PARALLEL):
            model = model.module
        elif isinstance(original := getattr(model, "_orig_mod", None), nn.Module):
            model = original
        else:
            break
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise ModelError(
                f"a network must not be scripted to be looked into, and {name or 'all of it'!r} "
                "is; give the model that torch.jit was given"
            )
    return model


def modules_by_name(model: nn.Module) -> dict[str, nn.Module]:
    """Return every module by its dotted name, as it was before any was compiled."""
    return {
        ".".join(part for part in name.split(".") if part != "_orig_mod"): module
        for name, module in model.named_modules()
    }


def device_of(model: nn.Module) -> torch.device | None:
    """Return the device of the first parameter or buffer, None for a model without any."""
    for tensors in (model.parameters(), model.buffers()):
        for tensor in tensors:
            return tensor.device
    return None
