"""Find the gates of a model."""

from typing import Any

import torch
from torch import Tensor, nn

from stripe.asr import ASR, Gated
from stripe.errors import ModelError
from stripe.gates.undisturbed import undisturbed
from stripe.recording import Gate


def device_of(model: nn.Module) -> torch.device | None:
    """Return the device of the first parameter or buffer, None for a model without any."""
    for tensors in (model.parameters(), model.buffers()):
        for tensor in tensors:
            return tensor.device
    return None


def find_gates(model: nn.Module, example: Tensor) -> list[Gate]:
    """Find where `model` multiplies a feature map by a channel gate, from one forward pass.

    Parameters
    ----------
    model
        Any network with `Gated` modules; it is run once in evaluation and left as it was.
    example
        A batch of images, (B, C, H, W), of the size that the model is used with.

    Returns
    -------
    list of Gate
        In forward order; empty if the model has none. Of a module that multiplies a channel gate
        and a spatial map, as CBAM, it is the channel gate.

    Raises
    ------
    ModelError
        If a gate does not come as (B, C, 1, 1).
    """
    if not isinstance(example, Tensor):
        raise ModelError(f"an example is a batch of images as a tensor, got {type(example)}")
    found: dict[str, Gate] = {}
    handles = []
    try:
        for owner, module in model.named_modules():
            if isinstance(module, Gated):
                name, gate = _channel_gate(owner, module)
                handles.append(gate.register_forward_hook(_note(found, owner, name)))
        with undisturbed(model):
            model(example.to(device_of(model)))
    finally:
        for handle in handles:
            handle.remove()
    return list(found.values())


def _channel_gate(owner: str, gated: Gated) -> tuple[str, nn.Module]:
    name, gate = f"{owner}.gate".lstrip("."), gated.gate
    channel = getattr(gate, "channel", None)  # CBAM's own channel gate
    return (f"{name}.channel", channel) if isinstance(channel, nn.Module) else (name, gate)


def _note(found: dict[str, Gate], owner: str, name: str) -> Any:
    def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        if output.ndim != 4 or tuple(output.shape[2:]) != (1, 1):
            raise ModelError(
                f"a channel gate must have shape (B, C, 1, 1), got {tuple(output.shape)} at "
                f"{name!r}; a module with a spatial map needs a child 'channel', as CBAM has"
            )
        found[name] = Gate(
            name=name,
            owner=owner,
            owner_class=Gated.__name__,
            channels=output.shape[1],
            kind="constant" if isinstance(module, ASR) else "gate",
            dtype=str(output.dtype).removeprefix("torch."),
        )

    return hook
