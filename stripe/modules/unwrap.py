"""The network inside a wrapper, and its modules by their own names."""

import sys
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from stripe.errors import ModelError

_PARALLEL = (nn.parallel.DistributedDataParallel, nn.DataParallel)


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the network inside `torch.compile`, DistributedDataParallel and DataParallel.

    Raises
    ------
    ModelError
        If the forward pass cannot be traced, because `model` is not a module, a module in it is
        scripted or quantised to int8, or its parameters are sharded or lazy (without a shape before
        the first pass).
    """
    while True:
        if isinstance(model, _PARALLEL):
            model = model.module
        elif isinstance(original := getattr(model, "_orig_mod", None), nn.Module):
            model = original
        else:
            break
    given: Any = model  # callers need not check types
    if not isinstance(given, nn.Module):
        exported = hasattr(given, "module") and hasattr(given, "graph_module")
        advice = "give its .module()" if exported else "give the network itself"
        raise ModelError(f"a network must be a torch.nn.Module, got {type(given)}; {advice}")
    for name, module in model.named_modules():
        if (obstacle := _obstacle(module)) is not None:
            what, advice = obstacle
            raise ModelError(
                f"a network must not be {what} to be traced, and {name or 'all of it'!r} is; "
                f"{advice}"
            )
    return model


def _obstacle(module: nn.Module) -> tuple[str, str] | None:
    """Return why a module cannot be traced, and the remedy."""
    if isinstance(module, torch.jit.ScriptModule):
        return "scripted", "give the model that torch.jit was given"
    kind = f"{type(module).__module__}.{type(module).__name__}"
    int8 = kind.startswith("torch.ao.nn.") and ".quantized." in kind
    if int8 and ".dynamic." not in kind and not kind.endswith("FloatFunctional"):
        return "quantised to int8", "give the network that convert was given, fake-quantised or not"
    parameters: list[Any] = [*module._parameters.values(), *module._buffers.values()]
    if any(is_lazy(parameter) for parameter in parameters if parameter is not None):
        return "lazy before its first pass", "run it once on a batch of images"
    tensors: Any = sys.modules.get("torch.distributed.tensor")  # heavy to import, there if needed
    sharded = type(module).__name__ == "FullyShardedDataParallel" or (
        tensors and any(isinstance(parameter, tensors.DTensor) for parameter in parameters)
    )
    return ("sharded (FSDP)", "load its full state_dict into a plain copy") if sharded else None


def modules_by_name(model: nn.Module) -> dict[str, nn.Module]:
    """Return every module by its dotted name, without the prefixes of `torch.compile`."""
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
