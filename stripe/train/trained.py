"""A network that a finished run trained, with its data."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from stripe.backbones.own import check_trusted
from stripe.errors import StripeError
from stripe.train import TrainConfig
from stripe.train.device import resolve_device
from stripe.train.loaders import Loaders, open_loaders
from stripe.train.network import build_model
from stripe.train.processes import Processes
from stripe.train.run import CONFIG, WEIGHTS, DataShape, read_config, read_data_shape
from stripe.train.weights import load_weights


def open_trained(
    run: Path, *, device: str = "auto", data_root: Path | None = None, limit: int | None = None
) -> tuple[nn.Module, Loaders]:
    """Return the network of a finished run, on a device in evaluation mode, and its loaders.

    Parameters
    ----------
    run
        The directory of the run.
    device
        As for `TrainConfig`.
    data_root
        The folder that holds data sets. Default: the folder that was used in training.
    limit
        Number of test images in the sample `probe`. Default: `record_images` of the run.

    Raises
    ------
    StripeError
        If the run is not finished, or one of its files is changed or damaged.
    """
    resolved = resolve_device(device)
    network = trained_network(run, data_root=data_root)
    config = read_config(run / CONFIG, TrainConfig)
    config = replace(
        config,
        data_root=data_root or config.data_root,
        record_images=limit or config.record_images,
        device=device,
    )
    return network.to(resolved), open_loaders(config, Processes(0, 1, resolved))


def trained_network(run: Path, *, data_root: Path | None = None) -> nn.Module:
    """Return the network of a finished run, in evaluation mode, on the CPU. Its data is not opened.

    Raises
    ------
    StripeError
        If the run is not finished, or one of its files is changed or damaged.
    """
    if not (run / WEIGHTS).exists():
        raise StripeError(f"{run} holds no finished run; train it first")
    network = untrained_network(run, data_root=data_root)
    load_weights(run / WEIGHTS, network)
    return network.eval()


def untrained_network(run: Path, *, data_root: Path | None = None) -> nn.Module:
    """Return the network of a run as it was before its training, in training mode.

    Raises
    ------
    ModelError
        If a user's own function builds the network, and the environment variable STRIPE_TRUST does
        not name this function.
    """
    config = read_config(run / CONFIG, TrainConfig)
    check_trusted(config.backbone, run)
    return build_model(config, data_shape(run, data_root=data_root))


def data_shape(run: Path, *, data_root: Path | None = None) -> DataShape:
    """Return the shape of the data for the network of a run.

    If the `config.json` of an old run lacks it, the data is opened.
    """
    known = read_data_shape(run)
    if known is not None:
        return known
    config = read_config(run / CONFIG, TrainConfig)
    config = replace(config, data_root=data_root or config.data_root)
    return open_loaders(config, Processes(0, 1, torch.device("cpu"))).data
