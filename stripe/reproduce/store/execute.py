"""Execute a stored run from its last checkpoint while holding its lock, and store its error."""

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
    """Execute a run, and return whether it succeeded. A training run continues from its checkpoint.

    If another process executes the run, the function waits until it has ended. An error is written
    into the run's directory. If this fails too, an error is raised, and no other run begins.

    Parameters
    ----------
    run
        Run from `stored`.
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
        except Exception:  # any error is stored, and the other runs continue
            fail(run, traceback.format_exc())
            return False
    return True


def fail(run: StoredRun, error: str) -> None:
    """Write the error of a run into its directory. A disk error is raised, and ends the sweep."""
    file = run.config.out / ERROR
    with writing(file, StripeError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with drafted(file) as draft:
            draft.write_text(error)


def _execute(config: Settings, device: str, threads: int) -> None:
    if isinstance(config, Measurement):
        perform(replace(config, device=device))
        return
    # If a GPU trains, the cores are free to read images.
    assert isinstance(config, TrainConfig | StyleConfig)
    readers = max(config.workers, threads) if device.startswith("cuda") else config.workers
    if isinstance(config, TrainConfig):
        train(replace(config, device=device, workers=readers), resume=True, progress=False)
    else:
        train_style(replace(config, device=device, workers=readers), resume=True, progress=False)
