"""SIGINT at random moments and lines of what sets something up and cleans it up."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HARNESS = Path(__file__).with_name("interrupted.py")


@pytest.mark.parametrize("way", ["moments", "lines", "modes"])
@pytest.mark.parametrize("task", ["recorder", "record", "moments", "others"])
def test_real_interrupts_leave_nothing_behind(
    task: str, way: str, tmp_path: Path, times: Callable[[int, int], int], seed: int
) -> None:
    count = times(30, 500)
    command = [sys.executable, str(HARNESS), task, str(count), str(tmp_path), str(seed), way]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"{count} interrupts, 0 failures"


@pytest.mark.parametrize("name", ["inject_noise", "intervene"])
def test_an_interrupt_at_any_line_of_a_context_leaves_nothing(name: str) -> None:
    harness = HARNESS.with_name("every_line.py")
    command = [sys.executable, str(harness), name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" lines, 0 failures\n")
