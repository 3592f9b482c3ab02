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
    """Raise the `DataError` of a worker without the traceback that torch adds to its message."""
    try:
        yield
        return
    except DataError as error:
        said = str(error).strip().splitlines()[-1].removeprefix("stripe.errors.DataError: ")
        traceback.clear_frames(error.__traceback__)
    # The frames no longer hold the loader, so its workers end now. The garbage collector would not
    # tell them to end.
    raise DataError(said)


def batches_of(loader: Iterable[Any]) -> Iterator[Any]:
    """Yield the batches of a loader, and raise an error within seconds if a worker process dies.

    Torch's own signal handler would also raise an error at an arbitrary place of the main thread,
    for example at the end of a `with` statement. It is therefore removed.

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
    """Return a `worker_init_fn` with which workers ignore a signal to the whole process group.

    The main process can then read until it has saved its state. Workers end when it exits.
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
