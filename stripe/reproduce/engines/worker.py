"""A worker process that executes runs one after another, and is replaced if it dies."""

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

from stripe.reproduce.store.execute import execute, fail
from stripe.reproduce.store.runs import StoredRun


class Worker:
    """A worker process for runs.

    The process ignores SIGINT; its parent handles it. At SIGTERM, a training run saves its state,
    and the process exits. The process also exits when its parent dies.

    Parameters
    ----------
    device
        The device of its runs.
    threads
        Number of CPU threads.
    """

    def __init__(self, device: str, threads: int) -> None:
        self.stopped = False
        self._device, self._threads = device, threads
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def execute(self, run: StoredRun) -> bool:
        """Execute a run and return whether it succeeded. Call this in a separate thread."""
        with self._lock:
            if self.stopped:
                return False
            if self._pool is None:
                # Spawned, because a fork of a process that has run torch may hang. The new process
                # inherits the signals that this thread blocks.
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
                context = get_context("spawn")
                self._pool = ProcessPoolExecutor(1, context, initializer=_end_with_parent)
            done = self._pool.submit(_execute, run, self._device, self._threads)
        try:
            return done.result()
        except BrokenProcessPool:
            self._pool = None
            if not self.stopped:
                fail(run, "its process ended before it did: killed, or out of memory?")
            return False

    def stop(self) -> None:
        """End the process, after it has saved its state."""
        with self._lock:
            self.stopped = True
            if self._pool is not None:
                for process in list((self._pool._processes or {}).values()):
                    process.terminate()

    def close(self) -> None:
        """Wait for the process to end."""
        if self._pool is not None:
            self._pool.shutdown()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None

    def end() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end, daemon=True).start()


def _execute(run: StoredRun, device: str, threads: int) -> bool:
    try:
        return execute(run, device, threads)
    except (KeyboardInterrupt, SystemExit):  # the training run has saved its state
        os._exit(128 + signal.SIGTERM)  # a pool would keep the process
