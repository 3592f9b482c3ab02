"""Commands that are asked to stop at a deadline, and keep what they did."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

#: Seconds that a command has to save after SIGTERM.
GRACE = 60.0


class Ended(NamedTuple):
    """How a command ended: its exit code, its last lines, its seconds, and whether it was asked."""

    code: int
    said: list[str]
    seconds: float
    stopped: bool


def module(arguments: Sequence[object], *, seconds: float) -> Ended:
    """Run `python -m` with arguments; after `seconds` it gets SIGTERM, and later SIGKILL."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stopped = False
    try:
        said, _ = process.communicate(timeout=max(1.0, seconds))
    except subprocess.TimeoutExpired:
        stopped = True
        said = _stop(process)
    except BaseException:
        _stop(process)
        raise
    took = time.perf_counter() - started
    return Ended(process.returncode, said.splitlines()[-20:], took, stopped)


def _stop(process: "subprocess.Popen[str]") -> str:
    process.send_signal(signal.SIGTERM)
    try:
        said, _ = process.communicate(timeout=GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    return said
