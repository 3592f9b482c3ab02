"""One line from a name to a network."""

import torch
from torch import nn

from stripe.asr import insert
from stripe.asr.insert import Attention
from stripe.backbones.registry import BACKBONES


def build(
    backbone: str,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    attention: Attention | None = None,
    seed: int | None = None,
) -> nn.Module:
    """Build a network of the paper, with attention where the paper puts it.

    Parameters
    ----------
    backbone
        A name from `stripe.list_backbones()`, or another depth of a listed family: "resnet83".
    num_classes
        Number of outputs of the last layer.
    in_channels
        Channels of the images: 3, or 1 for grey ones.
    attention
        A name from `stripe.list_attentions()` or a callable from channels to a module; none by
        default.
    seed
        Draws the weights from this seed and leaves the global generator as it was; by default the
        weights come from the global generator.

    Returns
    -------
    nn.Module
        The network, in training mode, on the CPU, in float32.

    Raises
    ------
    UnknownNameError
        If a name is not known; the message lists those that are.
    ModelError
        If the depth is not one of the family's.

    Examples
    --------
    >>> model = build("resnet164", attention="se", num_classes=100)
    >>> sum(parameter.numel() for parameter in model.parameters())
    1929388
    """
    builder = BACKBONES[backbone]
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        model: nn.Module = builder(num_classes=num_classes, in_channels=in_channels)
        return model if attention is None else insert(model, attention=attention)
