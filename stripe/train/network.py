"""Build the network of a run, and wrap it for training."""

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from stripe.backbones import build
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


def stepped_network(config: TrainConfig, processes: Processes, model: nn.Module) -> nn.Module:
    """Return the network as it is stepped: shared by processes, and compiled, on request."""
    network = model
    if processes.count > 1:
        devices = [processes.device] if processes.device.type == "cuda" else None
        network = DistributedDataParallel(network, device_ids=devices)
    if config.compile:
        graphs = {"mode": "reduce-overhead"} if processes.device.type == "cuda" else {}
        network = torch.compile(network, **graphs)  # type: ignore[call-overload]
    return network
