"""What the processes that read images do when the run is asked to stop."""

import atexit
import ctypes
import functools
import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any


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
