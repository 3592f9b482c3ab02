"""The local engine: worker processes on this machine."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from stripe.errors import StripeError
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.cores import usable_cores
from stripe.reproduce.engines.order import Ready, Tally, run_in_order, unfinished
from stripe.reproduce.engines.worker import Worker
from stripe.reproduce.store.cost import estimate
from stripe.reproduce.store.runs import StoredRun
from stripe.stats import processes
from stripe.train.device import resolve_device
from stripe.typed import typed


@typed
@dataclass(frozen=True, kw_only=True)
class Local:
    """Execute runs in processes on this machine.

    Parameters
    ----------
    workers
        Number of processes. Default for `run`: one per GPU or, without GPUs, one per CPU core with
        one thread each. Default for `map`: only the calling process. On a CPU, the numbers of a run
        do not depend on the other runs, if the number of threads is the same.
    device
        "auto", "cpu" or "cuda". "auto" distributes the GPUs among the workers, if there are GPUs.
    runs_per_gpu
        Number of worker processes per GPU, instead of `workers`. Use it for small networks, which
        leave much of a GPU idle. Kernels may then sum in a different order, so the numbers may
        differ from those of a run that has the GPU to itself. Timings always run one at a time.

    Raises
    ------
    StripeError
        If `workers` or `runs_per_gpu` is below 1, or both are given.

    Examples
    --------
    >>> from stripe.reproduce.engines import Local
    >>> engine = Local(device="cpu")
    >>> list(engine.map(abs, [-1, 2]))
    [1, 2]
    >>> engine.run([], progress=False)  # an empty list: nothing to run
    """

    workers: int | None = None
    device: str = "auto"
    runs_per_gpu: int | None = None

    def __post_init__(self) -> None:
        for name in ("workers", "runs_per_gpu"):
            if (count := vars(self)[name]) is not None and count < 1:
                raise StripeError(f"{name} must be at least 1, got {count}")
        if self.workers is not None and self.runs_per_gpu is not None:
            raise StripeError(
                "workers are processes in all and runs_per_gpu processes per GPU, got both; leave "
                "one of them out"
            )

    def run(self, runs: Sequence[StoredRun], *, retry: bool = True, progress: bool = True) -> None:
        """Execute every unfinished run. A failed run stops only the runs that need its result.

        An interrupted training run continues from its checkpoint. A run that starts from the
        weights of another run waits until that run is finished. If another process is already
        executing a run, the method waits until it has ended. A measurement starts when the training
        runs that it needs are finished. Timings run last, one at a time. On Ctrl-C or SIGTERM, all
        processes save their state and stop.

        Parameters
        ----------
        runs
            Runs to execute. Of several runs with the same directory, only one is executed.
        retry
            Also execute runs that failed before.
        progress
            Show a progress bar.

        Raises
        ------
        StripeError
            If there is no such device, or `runs_per_gpu` is given but there is no GPU.
        """
        resolve_device(self.device)  # an error now, instead of one in every run
        if self.runs_per_gpu is not None and not self._gpus():
            raise StripeError(
                f"runs_per_gpu needs a GPU, and the device {self.device} has none here; give "
                "workers instead"
            )
        with interrupts_held(), _ended_by_sigterm(), interrupts_allowed():
            waiting = unfinished(runs, retry=retry)
            run_in_order(waiting, self._execute, costs=estimate(runs), progress=progress)

    def map(self, function: Callable[[Any], Any], items: list[Any]) -> Iterator[Any]:
        """Yield the result of `function` for each item, in order, from `workers` processes."""
        if self.workers is None:
            yield from map(function, items)
            return
        with processes(self.workers) as over:
            yield from over(function, items)

    def at_a_time(self) -> int:
        """Return the number of runs that are executed at the same time."""
        return self.workers or self._gpus() * (self.runs_per_gpu or 1) or usable_cores()

    def _gpus(self) -> int:
        return torch.cuda.device_count() if self.device in ("auto", "cuda") else 0

    def _execute(self, runs: Ready, timed: bool, tally: Tally) -> None:
        count = 1 if timed else min(self.at_a_time(), len(runs))
        devices = devices_of(count, self._gpus(), self.device)
        # A run alone has as many threads as beside others, because rounding depends on them.
        threads = max(1, usable_cores() // (1 if timed else self.at_a_time()))
        _serve(runs, [Worker(device, threads) for device in devices], tally)


def devices_of(workers: int, gpus: int, device: str) -> list[str]:
    """Return the device of each worker: the GPUs in turn, or `device` without GPUs.

    Examples
    --------
    >>> devices_of(3, 2, "auto")
    ['cuda:0', 'cuda:1', 'cuda:0']
    """
    return [f"cuda:{number % gpus}" if gpus else device for number in range(workers)]


def _serve(runs: Ready, workers: list[Worker], tally: Tally) -> None:
    """Execute each run once it is ready, in the first free worker."""

    def serve(worker: Worker) -> None:
        while not worker.stopped and (run := runs.take()) is not None:
            well = worker.execute(run)
            if not worker.stopped:
                tally.count(run, well=well)
            runs.ended()
        worker.close()

    with ThreadPoolExecutor(len(workers)) as pool:
        try:
            for served in as_completed([pool.submit(serve, worker) for worker in workers]):
                served.result()
        except BaseException:
            runs.close()
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
