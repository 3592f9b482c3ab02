"""Every table and figure at the smallest scale, for the tests that need them."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest


class EveryExhibit(NamedTuple):
    """The store of runs, the folder of reports, and what the command printed."""

    store: Path
    out: Path
    said: str


@pytest.fixture(scope="session")
def every_exhibit(tmp_path_factory: pytest.TempPathFactory) -> EveryExhibit:
    """Make all tables and figures by one command, with one seed.

    This takes minutes. Tests that use it are in the xdist group "exhibits", so that one process
    runs them all. With pytest 9.2, xdist 3.8 does not see the group, and each process makes them.
    """
    folder = tmp_path_factory.mktemp("exhibits")
    store, out = folder / "store", folder / "out"
    command = [sys.executable, "-m", "stripe", "reproduce", "all", "--scale=test", "--seeds=1"]
    done = subprocess.run(
        [*command, f"--store={store}", f"--out={out}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return EveryExhibit(store, out, done.stdout)
