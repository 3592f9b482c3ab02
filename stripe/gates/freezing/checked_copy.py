"""Check that a model can be frozen, and copy it."""

import copy
from typing import Any, cast

from torch import nn
from torch.export import ExportedProgram

from stripe.errors import ModelError
from stripe.modules.unwrap import modules_by_name, unwrapped


def accepted(model: nn.Module | ExportedProgram) -> nn.Module:
    """Return the network that can be frozen, without a wrapper or an exported program around it.

    Raises
    ------
    ModelError
        If the network cannot be traced (see `unwrapped`), or its weights are on the meta device.
    """
    if isinstance(model, ExportedProgram):
        model = cast(nn.Module, model.module())
    model = unwrapped(model)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_meta:
            raise ModelError(
                f"a model must have its weights, and {name!r} is on the meta device; load them, or "
                "call model.to_empty(device=...) and initialise them"
            )
    return model


def deep_copy(model: nn.Module) -> nn.Module:
    """Return a deep copy.

    Raises
    ------
    ModelError
        If an attribute cannot be copied; the message names it.
    """
    try:
        return copy.deepcopy(model)
    except Exception as error:
        for name, module in modules_by_name(model).items():
            for key, value in vars(module).items():
                if key not in ("_modules", "_parameters", "_buffers") and _fails(value):
                    raise ModelError(
                        f"a model must be copyable with copy.deepcopy, and the attribute {key!r} "
                        f"of {name or 'the model'!r} is not ({error}); delete it before"
                    ) from error
        raise


def _fails(value: Any) -> bool:
    try:
        copy.deepcopy(value)
    except Exception:
        return True
    return False
