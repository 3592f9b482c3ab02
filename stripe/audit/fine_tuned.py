"""Replace gates by their means at inference, then fine-tune (Section 6 (1))."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from stripe.errors import StripeError
from stripe.gates import freeze_at
from stripe.hooks import Recorder
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.train import TrainConfig, train
from stripe.train.device import resolve_device
from stripe.train.loaders import still_training_images
from stripe.train.processes import Processes
from stripe.train.run import read_config
from stripe.train.step import top_accuracies
from stripe.train.trained import open_trained


def constants_at_inference(
    run: Path,
    out: Path,
    *,
    epochs: int = 2,
    lr: float | None = None,
    device: str = "auto",
    data_root: Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Replace the gates of a trained network by their mean vectors, evaluate, and fine-tune.

    The means are over the training images without augmentation. Fine-tuning does not change the
    constants.

    Parameters
    ----------
    run
        The directory of a finished training run with attention.
    out
        A new or empty directory for the recording and the run of the fine-tuning.
    epochs
        Number of epochs of fine-tuning.
    lr
        Constant learning rate of fine-tuning. Default: a hundredth of the run's rate, which is the
        last rate of the paper's schedule.
    device
        As for `TrainConfig`.
    data_root
        The folder that holds data sets. Default: the folder of the run.
    progress
        Show progress bars.

    Returns
    -------
    DataFrame
        network ("attention", "constants", "fine-tuned"), accuracy (0 to 1), and loss (the accuracy
        of the first row minus that of this row, in percentage points).

    Raises
    ------
    StripeError
        If `run` holds no finished run, or `out` is not empty.
    ModelError
        If the network has no gates.

    Notes
    -----
    Fine-tuning and evaluation are without noise, even if the run was trained under noise. The
    configuration of the fine-tuning names the network before freezing.

    The paper averages over the networks of its Table 3 and gives two numbers. It gives neither the
    length nor the learning rate of its fine-tuning.

    References
    ----------
    Section 6 (1).
    """
    if out.exists() and any(out.iterdir()):
        raise StripeError(f"{out} must be a new or empty directory; choose another with --out")
    config = replace(read_config(run / "config.json", TrainConfig), device=device)
    config = replace(config, data_root=data_root or config.data_root)
    tuning = replace(
        config,
        out=out / "fine-tuned",
        epochs=epochs,
        lr=config.lr / 100 if lr is None else lr,
        schedule="steps",
        decay_at=(),
        warmup=0.0,
        noise=None,
        record=False,
        initial=None,
    )
    with interrupts_held(), torch.random.fork_rng(), interrupts_allowed():
        processes = Processes(0, 1, resolve_device(device))
        model, loaders = open_trained(run, device=device, data_root=config.data_root)
        images = still_training_images(config, processes)
        example = next(iter(images))[0][:2]
        with (
            interrupts_held(),
            Recorder(model, out / "gates", example, inputs=False, values=False) as recorder,
            interrupts_allowed(),
        ):
            recorder.record(images, epoch=0, progress=progress)
        frozen = freeze_at(model, out / "gates", fold=False).model
        found = {
            "attention": top_accuracies(model, loaders.test, processes)[0],
            "constants": top_accuracies(frozen, loaders.test, processes)[0],
        }
        train(tuning, model=frozen, progress=progress)
        found["fine-tuned"] = top_accuracies(frozen, loaders.test, processes)[0]
    table = pd.DataFrame({"network": found.keys(), "accuracy": found.values()})
    table["loss"] = 100 * (found["attention"] - table["accuracy"])
    return table
