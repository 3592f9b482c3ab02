"""Processes that read images, their errors, and how they stop."""

import atexit
import ctypes
import functools
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from stripe.errors import DataError
from stripe.interrupts import in_main_thread


@contextmanager
def without_workers_traceback() -> Iterator[None]:
    """Turn a worker's `DataError`, which comes with its traceback, into the error alone."""
    try:
        yield
        return
    except DataError as error:
        said = str(error).strip().splitlines()[-1].removeprefix("stripe.errors.DataError: ")
        traceback.clear_frames(error.__traceback__)
    # Now nothing holds the loader of the workers, which end with it. Left to the collector of
    # cycles, they would not hear that they are to end.
    raise DataError(said)


def batches_of(loader: Iterable[Any]) -> Iterator[Any]:
    """Yield the batches of a loader that has workers, whose death it notices within seconds.

    Torch raises an error from a signal handler as well, in whatever the main thread is at when a
    worker dies, be it the end of a `with` statement. That handler is taken out.

    Raises
    ------
    DataError
        If a worker died.
    """
    before = signal.getsignal(signal.SIGCHLD)
    try:
        batches = iter(loader)
        if _is_torchs(signal.getsignal(signal.SIGCHLD)) and in_main_thread():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL if _is_torchs(before) else before)
        yield from batches
    except (EOFError, ConnectionError, FileNotFoundError, RuntimeError) as error:
        # A worker died while it sent a batch; the error of its socket does not matter.
        if isinstance(error, RuntimeError) and not str(error).startswith("DataLoader worker"):
            raise
        raise DataError(
            "a process that reads images died, probably for lack of memory; use fewer with "
            "--workers, or none with 0"
        ) from error


def _is_torchs(handler: object) -> bool:
    return str(getattr(handler, "__module__", "")).startswith("torch.")


def outliving_signals() -> Callable[[int], None]:
    """Return a `worker_init_fn`: workers outlive a signal to the whole group.

    The main process can then save, and continues to read until then; workers end when it exits.
    """
    return functools.partial(_outlive_signals, _leaving())


@functools.cache
def _leaving() -> Any:
    """Return a flag, shared with the workers, that is set when the main process exits."""
    flag = multiprocessing.RawValue(ctypes.c_bool, False)
    # Runs before the handler of multiprocessing, which sends SIGTERM to workers and waits for them.
    atexit.register(setattr, flag, "value", True)
    return flag


def _outlive_signals(leaving: Any, _: int) -> None:
    def leave(*_: object) -> None:
        if leaving.value:
            os._exit(0)  # as torch's own handler does, which this one replaces

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave)
