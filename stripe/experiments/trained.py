"""A network that a finished run trained, with its data."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from stripe.errors import StripeError
from stripe.train import TrainConfig
from stripe.train.checkpoint import load_weights
from stripe.train.device import resolve_device
from stripe.train.loaders import Loaders, open_loaders
from stripe.train.loop import build_model
from stripe.train.processes import Processes
from stripe.train.run import WEIGHTS, read_config


def open_trained(
    run: Path, *, device: str = "auto", data_root: Path | None = None, images: int | None = None
) -> tuple[nn.Module, Loaders]:
    """Return the network of a finished run, ready to evaluate on a device, and its loaders.

    Parameters
    ----------
    run
        The directory of the run.
    device
        As for `TrainConfig`.
    data_root
        Where its data is; by default where it was.
    images
        How many test images are in the sample `probe`; by default the run's `record_images`.

    Raises
    ------
    StripeError
        If the run is not finished.
    """
    if not (run / WEIGHTS).exists():
        raise StripeError(f"{run} holds no finished run; train it first")
    config = read_config(run / "config.json", TrainConfig)
    config = replace(
        config,
        data_root=data_root or config.data_root,
        record_images=images or config.record_images,
        device=device,
    )
    processes = Processes(0, 1, resolve_device(device))
    loaders = open_loaders(config, processes)
    model = build_model(config, loaders)
    load_weights(run / WEIGHTS, model)
    return model.to(processes.device).eval(), loaders
