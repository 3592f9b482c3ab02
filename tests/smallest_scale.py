"""Every table and figure at the smallest scale, for the tests that need them."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from stripe.locks import FileLock


class EveryExhibit(NamedTuple):
    """The store of runs, the folder of reports, and what the command printed."""

    store: Path
    out: Path
    said: str


@pytest.fixture(scope="session")
def every_exhibit(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> EveryExhibit:
    """Make all tables and figures by one command, with one seed.

    This takes minutes, so that the processes of one run of tests share them: the first makes them,
    another waits. A test that changes them copies them before.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    folder, said = shared / "exhibits", shared / "exhibits.txt"
    store, out = folder / "store", folder / "out"
    command = [sys.executable, "-m", "stripe", "reproduce", "all", "--scale=test", "--seeds=1"]
    with FileLock(shared / "exhibits.lock", wait=True):
        if not said.exists():
            done = subprocess.run(
                [*command, f"--store={store}", f"--out={out}"], capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr[-2000:]
            said.write_text(done.stdout)
    return EveryExhibit(store, out, said.read_text())
