"""The optimizer, one step of training, and the accuracy on the test set."""

from contextlib import nullcontext

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from stripe.modules.accuracy import right_of
from stripe.train.config import TrainConfig
from stripe.train.loaders import Loader
from stripe.train.processes import Processes


def make_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of a run, in its fused form."""
    shared = {"lr": config.lr, "weight_decay": config.weight_decay, "fused": True}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, **shared)  # type: ignore[arg-type]
    momentum = {"momentum": config.momentum, "nesterov": config.nesterov}
    return torch.optim.SGD(parameters, **shared, **momentum)  # type: ignore[arg-type]


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Float[Tensor, "b c h w"],
    labels: Int64[Tensor, " b"],
    autocast: torch.autocast,
    *,
    smoothing: float = 0.0,
    parts: int = 1,
    weight: float | None = None,
) -> Float[Tensor, ""]:
    """Take one step without waiting for the device. The forward passes run under `autocast`.

    Parameters
    ----------
    smoothing
        Label smoothing.
    parts
        Number of parts into which the batch is split. Their gradients are added.
    weight
        Weight of each image in the loss. Default: 1 / b. With several processes, whose gradients
        are averaged, it is the number of processes divided by the number of images of all.

    Returns
    -------
    Tensor
        The loss, a weighted sum over the images.
    """
    loss_sum = torch.zeros((), device=images.device)
    split = list(zip(images.chunk(parts), labels.chunk(parts), strict=True))
    for number, (some, of_them) in enumerate(split):
        share = 1 / len(labels) if weight is None else weight
        waits = isinstance(model, DistributedDataParallel) and number < len(split) - 1
        with model.no_sync() if waits else nullcontext():  # type: ignore[operator]
            with autocast:
                mean = F.cross_entropy(model(some), of_them, label_smoothing=smoothing)
            loss = mean * (share * len(of_them))
            loss.backward()
        loss_sum += loss.detach()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss_sum


def top_accuracies(model: nn.Module, loader: Loader, processes: Processes) -> tuple[float, float]:
    """Return the shares of images whose label scores highest, and among the five highest."""
    counts = right_of(model, loader, processes.device, top=(1, 5))
    top1, top5, count = processes.summed(counts).tolist()
    return top1 / count, top5 / count
