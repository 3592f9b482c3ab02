"""Many runs, each once: in processes of this machine that outlive a failure and can be stopped."""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import torch
from tqdm.auto import tqdm

from stripe.errors import StripeError
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.reproduce.engines.worker import Worker
from stripe.reproduce.store.measurement import Measurement
from stripe.reproduce.store.runs import StoredRun
from stripe.train import TrainConfig
from stripe.train.device import resolve_device


def sweep(
    runs: Sequence[StoredRun],
    *,
    workers: int | None = None,
    device: str = "auto",
    retry: bool = True,
    progress: bool = True,
) -> None:
    """Do every run that is not finished; a run that fails does not stop the rest.

    A training that was begun continues from its checkpoint. A training that starts from another run
    waits for it, and so does a run that another sweep executes. Measurements run after the
    trainings they need; timings run last, one at a time. Ctrl-C and SIGTERM stop all processes,
    each after it has saved.

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
        If there are fewer workers than one, or there is no such device.
    """
    resolve_device(device)  # rather now than in every run
    gpus = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    if workers is not None and workers < 1:
        raise StripeError(f"workers must be at least 1, got {workers}")
    count = workers or gpus or os.cpu_count() or 1
    waiting = unfinished(runs, retry=retry)
    bar = tqdm(total=len(waiting), desc="sweep", unit=" runs", disable=not progress)
    with interrupts_held(), bar, _ended_by_sigterm(), interrupts_allowed():
        for stage in in_stages(waiting):
            ready = [run for run in stage if is_ready(run)]
            share = 1 if is_timed(stage[0]) else min(count, len(ready))
            places = [f"cuda:{number % gpus}" if gpus else device for number in range(share)]
            _sweep(ready, places, bar)


def unfinished(runs: Sequence[StoredRun], *, retry: bool = True) -> list[StoredRun]:
    """Return the runs that are not finished, each once; those that failed only to try again."""
    done = ("finished",) if retry else ("finished", "failed")
    return list({run.config.out: run for run in runs if run.state not in done}.values())


def in_stages(runs: Sequence[StoredRun]) -> list[list[StoredRun]]:
    """Return trainings, then what looks at them, then what takes times.

    A training that begins with the weights of another comes a stage after that one.
    """
    by_folder = {run.config.out: run for run in runs}

    def stage(run: StoredRun) -> tuple[int, int]:
        return isinstance(run.config, Measurement) + is_timed(run), before(run)

    def before(run: StoredRun) -> int:
        first = run.config.initial if isinstance(run.config, TrainConfig) else None
        return 1 + before(by_folder[first]) if first in by_folder else 0

    return [list(some) for _, some in groupby(sorted(runs, key=stage), key=stage)]


def is_timed(run: StoredRun) -> bool:
    """Tell whether a run takes times, and so wants the machine for itself."""
    return isinstance(run.config, Measurement) and run.config.TIMED


def is_ready(run: StoredRun) -> bool:
    """Tell whether what a run looks at, or begins with, is finished."""
    return not run.awaited


def tell(bar: Any, *, well: bool) -> None:
    """Count a run on the bar of a sweep, and whether it failed."""
    bar.failed = getattr(bar, "failed", 0) + (not well)
    bar.update()
    if bar.failed:
        bar.set_postfix(failed=bar.failed)


def _sweep(runs: list[StoredRun], places: list[str], bar: Any) -> None:
    """Do the runs of one stage, in one process per place."""
    threads = max(1, (os.cpu_count() or 1) // max(1, len(places)))
    workers = [Worker(place, threads) for place in places]
    waiting = deque(runs)

    def serve(worker: Worker) -> None:
        while waiting and not worker.stopped:
            try:
                run = waiting.popleft()
            except IndexError:  # another was faster
                break
            well = worker.do(run)
            if not worker.stopped:
                tell(bar, well=well)
        worker.close()

    if not runs:
        return
    with ThreadPoolExecutor(len(places)) as pool:
        try:
            for served in as_completed([pool.submit(serve, worker) for worker in workers]):
                served.result()
        except BaseException:
            waiting.clear()
            for worker in workers:
                worker.stop()
            raise


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process by an exception, so that its workers are stopped too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
