"""Killed, or refused, at every system call that changes or flushes a file."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HARNESS = Path(__file__).with_name("system_calls.py")


@pytest.mark.parametrize("what", ["epoch", "checkpoint"])
@pytest.mark.parametrize("how", ["signal=KILL", "error=ENOSPC"])
def test_struck_at_every_system_call(
    what: str, how: str, tmp_path: Path, times: Callable[[int, int], int]
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    command = [sys.executable, str(HARNESS), what, how, str(tmp_path), str(times(8, 1))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "strace cannot attach" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    points, failures = (int(word.split()[0]) for word in done.stdout.splitlines()[-1].split(","))
    print(done.stdout)  # noqa: T201
    assert points >= 5
    assert failures == 0
