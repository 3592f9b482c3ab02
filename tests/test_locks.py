"""Locks end with their process, and forked processes have no part in them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stripe.errors import RecordingError, StripeError
from stripe.locks import FileLock
from stripe.recording import Header, RecordedGate, RecordingWriter, open_recording

HEADER = Header(
    gates=(RecordedGate(name="g", owner="", owner_class="Gated", channels=2, pooled=False),)
)

#: Opens a recording, forks a child as loaders of data fork workers, and waits to be killed.
HOLDER = """
import multiprocessing, sys, time
from stripe.recording import Header, RecordedGate, RecordingWriter
gate = RecordedGate(name="g", owner="", owner_class="Gated", channels=2, pooled=False)
writer = RecordingWriter(sys.argv[1], Header(gates=(gate,)))
child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_a_killed_holder_holds_nothing_through_its_children(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "r")]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(RecordingError, match=f"process {holder.pid} is writing"):
            RecordingWriter(tmp_path / "r", HEADER)
        holder.kill()
        holder.wait()
        os.kill(child, 0)  # it is alive
        RecordingWriter(tmp_path / "r", HEADER).close()
    finally:
        holder.stdout.close()
        os.kill(child, signal.SIGKILL)


def test_a_forked_child_neither_releases_nor_undoes(tmp_path: Path) -> None:
    """Its copy of the writer fails and is closed; the parent's goes on, and commits."""
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        child = os.fork()
        if not child:
            code = 1
            try:
                writer.__exit__(ValueError, ValueError(), None)
                with pytest.raises(RecordingError, match="is closed"), writer.epoch(0):
                    pass
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with pytest.raises(RecordingError, match=f"process {os.getpid()} is writing"):
            RecordingWriter(tmp_path / "r", HEADER)
        with writer.epoch(0) as part:
            part.write(np.arange(3), {"gate/g": np.zeros((3, 2), np.float32)})
    assert open_recording(tmp_path / "r").verify()["epoch"].tolist() == [0]


def test_a_number_of_no_process_is_not_named(tmp_path: Path) -> None:
    ended = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    with FileLock(tmp_path / "LOCK"):
        (tmp_path / "LOCK").write_text(ended.stdout)
        with pytest.raises(StripeError, match="and another process is writing"):
            FileLock(tmp_path / "LOCK")


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize("name", ["LOCK", "other"])
def test_nothing_is_written_through_a_linked_lock(link: object, name: str, tmp_path: Path) -> None:
    assert callable(link)
    RecordingWriter(tmp_path / "r", HEADER).close()
    thesis = tmp_path / "thesis"
    thesis.write_text("years of work")
    (tmp_path / "r/LOCK").unlink()
    link(tmp_path / "r" / name, thesis)
    if name == "LOCK":
        with pytest.raises(RecordingError, match="LOCK must be a file of its own"):
            RecordingWriter(tmp_path / "r", HEADER)
    else:
        RecordingWriter(tmp_path / "r", HEADER).close()
    assert thesis.read_text() == "years of work"


def test_a_pipe_is_no_lock(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "LOCK")
    with pytest.raises(StripeError, match="LOCK must be a file of its own"):
        FileLock(tmp_path / "LOCK")


def test_a_lock_whose_file_is_removed_does_not_let_two_in(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "LOCK", remove=True)
    descriptor = os.open(tmp_path / "LOCK", os.O_RDWR)
    first.release()
    assert not (tmp_path / "LOCK").exists()
    with FileLock(tmp_path / "LOCK"):
        assert not os.path.samestat(os.fstat(descriptor), (tmp_path / "LOCK").stat())
    os.close(descriptor)
