"""Killed, or refused by the disk, at every call that changes or flushes a file."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HARNESS = Path(__file__).with_name("faults.py")


@pytest.mark.parametrize("what", ["epoch", "checkpoint"])
@pytest.mark.parametrize("how", ["kill", errno.ENOSPC, errno.EIO])
def test_at_every_call(what: str, how: str | int, tmp_path: Path) -> None:
    command = [sys.executable, str(HARNESS), what, str(how), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    points, failures = (int(word.split()[0]) for word in done.stdout.splitlines()[-1].split(","))
    print(done.stdout)  # noqa: T201
    assert points > 15
    assert failures == 0
