"""Build the network of a run, and wrap it for training."""

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from stripe.backbones import build
from stripe.errors import ModelError
from stripe.modules.feed import tried
from stripe.train.config import TrainConfig
from stripe.train.processes import Processes
from stripe.train.run import DataShape


def build_model(config: TrainConfig, data: DataShape) -> nn.Module:
    """Build the network of a run, with weights from its seed."""
    return build(
        config.backbone,
        num_classes=data.classes,
        in_channels=data.channels,
        attention=config.attention,
        asr=config.asr,
        copies=config.copies,
        psi=config.psi,
        init=config.asr_init,
        seed=config.seed,
        image_size=data.image_size,
    )


def check_network(model: nn.Module, data: DataShape) -> None:
    """Raise an error if a network does not accept the images, or has fewer scores than classes.

    A user's own network may have been built for other images.
    """
    shape = (data.channels, data.image_size, data.image_size)
    scores = tried(model, shape, "the data set has such images")
    if isinstance(scores, Tensor) and scores.ndim == 2 and scores.shape[1] < data.classes:
        raise ModelError(
            f"the network must have a score for each of the {data.classes} classes, and has "
            f"{scores.shape[1]}; build it with that number, which a function of your own gets as "
            "num_classes"
        )


def stepped_network(config: TrainConfig, processes: Processes, model: nn.Module) -> nn.Module:
    """Return the network for training steps: distributed over processes and, if set, compiled."""
    network = model
    if processes.count > 1:
        devices = [processes.device] if processes.device.type == "cuda" else None
        network = DistributedDataParallel(network, device_ids=devices)
    if config.compile:
        graphs = {"mode": "reduce-overhead"} if processes.device.type == "cuda" else {}
        network = torch.compile(network, **graphs)  # type: ignore[call-overload]
    return network
