"""Full and read-only file systems, and limits of file sizes, as the operating system makes them."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from disks import mounted, remounted
from limits import write

from stripe.recording import Header, RecordedGate, RecordingWriter, open_recording

pytestmark = pytest.mark.slow

HARNESS = Path(__file__).with_name("limits.py")
HEADER = Header(
    gates=(RecordedGate(name="g", owner="", owner_class="Gated", channels=8, pooled=False),)
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a file system of half a mebibyte."""
    with mounted(tmp_path / "disk", "512k") as folder:
        yield folder


def refused(what: str, folder: Path) -> tuple[str, int]:
    """Return what the writer said, and how many epochs are whole."""
    done = subprocess.run(
        [sys.executable, str(HARNESS), what, str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    *said, count = done.stdout.splitlines()
    assert len(said) == 1, said
    return said[0], int(count.split()[0])


def test_a_full_disk(disk: Path) -> None:
    said, epochs = refused("space", disk)
    assert "No space left" in said
    assert epochs >= 1
    room = sum(file.stat().st_size for file in (disk / "r").rglob("*") if file.is_file())
    assert room > 100 * 2**10
    remounted(disk, "size=8m")
    with RecordingWriter(disk / "r", HEADER) as writer:
        assert writer.epochs == list(range(epochs))
        write(writer, 50, 3000)
    assert open_recording(disk / "r").verify()["epoch"].tolist() == [*range(epochs), 50]


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    said, epochs = refused("size", tmp_path)
    assert "File too large" in said
    assert epochs >= 1


def test_a_disk_that_cannot_be_written(disk: Path) -> None:
    with RecordingWriter(disk / "r", HEADER) as writer:
        write(writer, 0, 500)
    remounted(disk, "ro")
    said, _ = refused("read-only", disk)
    assert "Read-only file system" in said


def test_damaged_files_ask_for_no_memory(tmp_path: Path, seed: int) -> None:
    """A damaged recording is refused with little memory, and does not run out of it."""
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        write(writer, 0, 500)
    rng = np.random.default_rng(seed)
    files = [f for f in sorted((tmp_path / "r").rglob("*")) if f.is_file() and f.name != "LOCK"]
    for file in files:
        for _ in range(5):
            content = bytearray(file.read_bytes())
            before = bytes(content)
            for at in rng.integers(0, len(content), 8):
                content[at] = rng.integers(0, 256)
            file.write_bytes(content)
            child = os.fork()
            if not child:
                os._exit(under_a_limit(tmp_path / "r"))
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert code == 0, (file, code)
            file.write_bytes(before)
    assert len(open_recording(tmp_path / "r").verify()) == 1


def under_a_limit(path: Path) -> int:
    """Verify a recording with 512 MiB more than now; 0 if it is whole or refused by name."""
    from stripe.errors import StripeError

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 512 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        open_recording(path).verify()
    except StripeError as error:
        return int("\n" in str(error))
    except BaseException:
        return 2
    return 0
