"""A pipe, a device, a folder or nothing in place of a file, and files that nobody may read."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from stripe.errors import RecordingError, StripeError
from stripe.files import read_regular
from stripe.recording import Header, RecordedGate, RecordingWriter, open_recording
from stripe.train import TrainConfig
from stripe.train.log import read_history
from stripe.train.trained import trained_network
from stripe.train.verify import verify_run

pytestmark = pytest.mark.slow

HEADER = Header(
    gates=(RecordedGate(name="g", owner="", owner_class="Gated", channels=8, pooled=False),)
)
#: What stands where a file was.
KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "broken link": lambda path: path.symlink_to("nowhere"),
    "nothing": lambda path: None,
}
OF_RECORDING = ["recording.json", "log/head.json", "log/0.json", "data/epoch=0/part-0.parquet"]
OF_RUN = ["config.json", "history.parquet", "model.safetensors", "manifest.sha256"]


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Raise in a test that waits for a pipe or reads a device for ever."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("it waits for ever")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(100)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    with RecordingWriter(tmp_path / "r", HEADER) as writer, writer.epoch(0) as part:
        part.write(np.arange(20), {"gate/g": np.zeros((20, 8), np.float32)})
    return tmp_path / "r"


def refused(read: Callable[[], object], file: Path, kind: type[StripeError] = StripeError) -> None:
    """Check that a reader raises one line that names a file."""
    with pytest.raises(kind) as raised:
        read()
    assert file.name in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("what", KINDS)
@pytest.mark.parametrize("name", OF_RECORDING)
def test_in_place_of_a_file_of_a_recording(recording: Path, name: str, what: str) -> None:
    file = recording / name
    file.unlink()
    KINDS[what](file)
    refused(lambda: open_recording(recording).verify(), file, RecordingError)
    refused(lambda: open_recording(recording).values("g", 0), file, RecordingError)


@pytest.mark.parametrize("what", KINDS)
def test_in_place_of_a_file_of_a_run(finished: TrainConfig, what: str) -> None:
    run = finished.out
    for name in OF_RUN:
        file = run / name
        content = file.read_bytes()
        file.unlink()
        KINDS[what](file)
        if (name, what) == ("manifest.sha256", "nothing"):  # as a run from before manifests
            assert "unchecked, no manifest" in set(verify_run(run)["state"])
        else:
            refused(lambda: verify_run(run), file)
        reads: dict[str, Callable[[], object]] = {
            "history.parquet": lambda: read_history(run),
            "model.safetensors": lambda: trained_network(run),
            "config.json": lambda: trained_network(run),
        }
        if name in reads:
            with pytest.raises(StripeError) as raised:
                reads[name]()
            assert "\n" not in str(raised.value)
        if file.is_dir() and not file.is_symlink():
            file.rmdir()
        file.unlink(missing_ok=True)
        file.write_bytes(content)
    assert set(verify_run(run)["state"]) == {"whole"}


def test_files_that_are_longer_than_they_say() -> None:
    """Files of /proc have no size, and files that grow have another one when they are read."""
    if not sys.platform.startswith("linux"):
        pytest.skip("there is no /proc")
    file = Path("/proc/self/status")
    assert file.stat().st_size == 0
    assert b"VmRSS" in read_regular(file)
    with pytest.raises(OSError, match="more than 100 bytes"):
        read_regular(file, most=100)


#: Runs a command without the right of root to read and write every file.
AS_A_USER = """
import ctypes, os, sys
for right in (1, 2):  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, out of the bounding set
    ctypes.CDLL(None).prctl(24, right, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-m", "stripe", *sys.argv[1:]])
"""


def as_a_user(*arguments: object) -> tuple[int, str]:
    """Return the exit code of a command, and what it said."""
    command = [sys.executable, "-c", AS_A_USER, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", [*OF_RECORDING, "log", "data", "data/epoch=0", "."])
def test_what_may_not_be_read_is_named(recording: Path, name: str) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the rights of root are given up by a call of Linux")
    mode = stat.S_IMODE((recording / name).stat().st_mode)
    (recording / name).chmod(0)
    code, said = as_a_user("verify", recording)
    (recording / name).chmod(mode)
    assert code == 1, said
    assert said.startswith("error: "), said
    assert len(said.splitlines()) == 1, said
    assert str(recording) in said


def test_a_folder_that_may_not_be_written(recording: Path, tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the rights of root are given up by a call of Linux")
    for path in (recording, *recording.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    tmp_path.chmod(0o555)
    try:
        code, said = as_a_user("verify", recording)
        assert code == 0, said
        code, said = as_a_user("explore", recording, "--out", tmp_path / "t.html")
    finally:
        for path in (tmp_path, recording, *recording.rglob("*")):
            path.chmod(0o755)
    assert code == 1, said
    assert said.splitlines()[-1].startswith(f"error: cannot write {tmp_path / 't.html'}"), said
