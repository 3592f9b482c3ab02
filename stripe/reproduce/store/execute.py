"""Execute a stored run while holding its lock, from its last checkpoint, or store its error."""

import traceback
from dataclasses import replace

import torch

from stripe.errors import StripeError
from stripe.files import drafted, writing
from stripe.locks import FileLock
from stripe.memory import keep_freed_memory
from stripe.reproduce.store.cost import clocked
from stripe.reproduce.store.measurement import Measurement, perform
from stripe.reproduce.store.runs import ERROR, StoredRun
from stripe.settings import Settings
from stripe.style import StyleConfig, train_style
from stripe.train import TrainConfig, train


def execute(run: StoredRun, device: str, threads: int) -> bool:
    """Execute a run, a training from its checkpoint if there is one; return whether it went well.

    A run that another process executes is awaited. An error is written into the run's directory.
    If the disk has no room even for that, the store is full, and no other run is begun.

    Parameters
    ----------
    run
        From `stored`.
    device
        As for `TrainConfig`.
    threads
        Number of CPU threads.

    Raises
    ------
    StripeError
        If the store cannot be written.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    folder = run.config.out
    with writing(folder.parent, StripeError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent / f"{folder.name}.lock", wait=True)
    with lock:
        if run.state == "finished":
            return True
        try:
            (folder / ERROR).unlink(missing_ok=True)
            with clocked(run):
                _execute(run.config, device, threads)
        except Exception:  # whatever it is, it is written down, and the other runs go on
            fail(run, traceback.format_exc())
            return False
    return True


def fail(run: StoredRun, error: str) -> None:
    """Write the error of a run into its directory; an error of the disk ends the sweep."""
    file = run.config.out / ERROR
    with writing(file, StripeError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with drafted(file) as draft:
            draft.write_text(error)


def _execute(config: Settings, device: str, threads: int) -> None:
    if isinstance(config, Measurement):
        perform(replace(config, device=device))
        return
    # Where a GPU trains, the cores are free to read images.
    assert isinstance(config, TrainConfig | StyleConfig)
    readers = max(config.workers, threads) if device.startswith("cuda") else config.workers
    if isinstance(config, TrainConfig):
        train(replace(config, device=device, workers=readers), resume=True, progress=False)
    else:
        train_style(replace(config, device=device, workers=readers), resume=True, progress=False)
