"""Processes that read images: when the run is asked to stop, and when an image is damaged."""

import atexit
import ctypes
import functools
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from stripe.errors import DataError


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


def outliving_signals() -> Callable[[int], None]:
    """Return a `worker_init_fn`: workers outlive a signal to the whole group.

    So the main process can save, and goes on reading until then; workers end when it exits.
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
