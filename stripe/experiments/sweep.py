"""Many runs, each once: in a pool of processes that outlives a failure and can be stopped."""

import fcntl
import os
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from multiprocessing import get_context
from typing import Any

import torch
from tqdm.auto import tqdm

from stripe.errors import StripeError
from stripe.experiments.measurement import Measurement, perform
from stripe.experiments.runs import ERROR, StoredRun
from stripe.settings import Settings
from stripe.style import StyleConfig, train_style
from stripe.train import TrainConfig, train


def sweep(
    runs: Sequence[StoredRun],
    *,
    workers: int | None = None,
    device: str = "auto",
    retry: bool = True,
    progress: bool = True,
) -> None:
    """Do every run that is not finished; a run that fails does not stop the rest.

    A training that was begun goes on from its checkpoint. A run that another sweep is at is left to
    it. What is timed comes last, and by itself.

    Parameters
    ----------
    runs
        From `stored`; those of one directory are one run.
    workers
        Processes; by default one per GPU, or per CPU core, each of which then has one thread.
    device
        "auto" gives each worker a GPU of its own, if there are GPUs; or "cpu", "cuda".
    retry
        Try again what failed before.
    progress
        Show a progress bar.

    Raises
    ------
    StripeError
        If there are fewer workers than one.
    """
    gpus = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    if workers is not None and workers < 1:
        raise StripeError(f"workers must be at least 1, got {workers}")
    count = workers or gpus or os.cpu_count() or 1
    waiting = unfinished(runs, retry=retry)
    with tqdm(total=len(waiting), desc="sweep", unit=" runs", disable=not progress) as bar:
        for stage in in_stages(waiting):
            _sweep(stage, 1 if is_timed(stage[0]) else min(count, len(stage)), gpus, device, bar)


def _sweep(runs: list[StoredRun], count: int, gpus: int, device: str, bar: Any) -> None:
    """Do the runs of one stage in a pool of processes."""
    # Spawned, since a fork of a process that has run torch may hang. A worker takes a place of the
    # queue, and so a GPU of its own.
    context = get_context("spawn")
    places = context.SimpleQueue()
    for number in range(count):
        places.put(f"cuda:{number % gpus}" if gpus else device)
    threads = max(1, (os.cpu_count() or 1) // count)
    with _pool(count, context, places, threads) as pool:
        with _deaf_to_ctrl_c():
            futures = [pool.submit(_run, run) for run in runs]
        for future in as_completed(futures):
            tell(bar, well=future.result())


def tell(bar: Any, *, well: bool) -> None:
    """Count a run on the bar of a sweep, and whether it failed."""
    bar.failed = getattr(bar, "failed", 0) + (not well)
    bar.update()
    if bar.failed:
        bar.set_postfix(failed=bar.failed)


def unfinished(runs: Sequence[StoredRun], *, retry: bool = True) -> list[StoredRun]:
    """Return the runs that are not finished, each once; those that failed only to try again."""
    done = ("finished",) if retry else ("finished", "failed")
    return list({run.config.out: run for run in runs if run.state not in done}.values())


def in_stages(runs: Sequence[StoredRun]) -> list[list[StoredRun]]:
    """Return trainings, then what looks at them, then what takes times."""

    def stage(run: StoredRun) -> int:
        return isinstance(run.config, Measurement) + is_timed(run)

    return [list(some) for _, some in groupby(sorted(runs, key=stage), key=stage)]


def is_timed(run: StoredRun) -> bool:
    """Tell whether a run takes times, and so wants the machine for itself."""
    return isinstance(run.config, Measurement) and run.config.TIMED


def run_one(run: StoredRun, device: str, threads: int) -> bool:
    """Do one run, from its checkpoint if there is one; return whether that went well.

    What goes wrong is written down in the run's directory.
    """
    torch.set_num_threads(threads)
    folder = run.config.out
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True  # another sweep is at it
        if run.state == "finished":
            return True
        (folder / ERROR).unlink(missing_ok=True)
        try:
            _do(run.config, device, threads)
        except Exception:  # whatever it is, it is told, and the rest goes on
            folder.mkdir(exist_ok=True)
            (folder / ERROR).write_text(traceback.format_exc())
            return False
    return True


def _do(config: Settings, device: str, threads: int) -> None:
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


@contextmanager
def _pool(count: int, context: Any, places: Any, threads: int) -> Iterator[ProcessPoolExecutor]:
    """Open the workers; where the sweep is stopped, stop them, each after it has saved."""
    pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(places, threads))
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()  # SIGTERM: the run saves the step where it is
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Start processes that a Ctrl-C does not reach while they import; they inherit deafness."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


#: Where this worker trains, its threads, and whether it was asked to stop.
_device, _threads, _stopped = "auto", 1, False


def _begin(places: Any, threads: int) -> None:
    global _device, _threads
    _device, _threads = places.get(), threads


def _run(run: StoredRun) -> bool:
    """Do one run in a worker, unless that was asked to stop."""
    global _stopped
    if _stopped:
        return False
    try:
        return run_one(run, _device, _threads)
    except (KeyboardInterrupt, SystemExit):  # the run has saved where it is
        _stopped = True
        return False
