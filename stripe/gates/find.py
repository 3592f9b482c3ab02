"""Find the gates of a model."""

from typing import Any

from torch import Tensor, nn

from stripe.asr import Gated
from stripe.gates.undisturbed import undisturbed
from stripe.recording import Gate


def device_of(model: nn.Module) -> Any:
    """Return the device of the first parameter or buffer, None for a model without any."""
    tensors = [*model.parameters(), *model.buffers()]
    return tensors[0].device if tensors else None


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
        In forward order; empty if the model has none.
    """
    found: dict[str, Gate] = {}
    owners = {name: module for name, module in model.named_modules() if isinstance(module, Gated)}
    handles = [
        owner.gate.register_forward_hook(_note(found, name)) for name, owner in owners.items()
    ]
    try:
        with undisturbed(model):
            model(example.to(device_of(model)))
    finally:
        for handle in handles:
            handle.remove()
    return list(found.values())


def _note(found: dict[str, Gate], owner: str) -> Any:
    def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        name = f"{owner}.gate" if owner else "gate"
        found[name] = Gate(
            name=name,
            owner=owner,
            owner_class=Gated.__name__,
            channels=output.shape[1],
            dtype=str(output.dtype).removeprefix("torch."),
        )

    return hook
