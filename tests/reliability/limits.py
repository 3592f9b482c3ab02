"""Write a recording until the operating system refuses, and look what is left.

Usage: python tests/reliability/limits.py WHAT FOLDER. WHAT is "space" (FOLDER is a small file
system), "size" (files may have 64 KiB) or "read-only" (FOLDER is one that cannot be written). The
last line is the error, which must be one line, and the number of epochs.
"""

import resource
import sys
from pathlib import Path

import numpy as np
from faults import HEADER

from stripe.errors import StripeError
from stripe.recording import RecordingWriter, open_recording

FILE_LIMIT = 64 * 2**10


def write(writer: RecordingWriter, epoch: int, images: int) -> None:
    """Write an epoch of values that do not compress."""
    values = np.random.default_rng(epoch).random((images, 8), dtype=np.float32)
    with writer.epoch(epoch) as part:
        part.write(np.arange(images), {"gate/g": values})


def until_refused(path: Path, images: int) -> tuple[str, int]:
    """Write larger and larger epochs until one is refused; return the error and their number."""
    written = 0
    try:
        with RecordingWriter(path, HEADER) as writer:
            for written in range(100):
                write(writer, written, images * (written + 1))
    except StripeError as error:
        return str(error), written
    raise SystemExit("nothing was refused")


def main(what: str, folder: Path) -> None:
    """Run one test."""
    path = folder / "r"
    if what == "size":
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, resource.RLIM_INFINITY))
    said, written = until_refused(path, 500)
    if what == "read-only":
        assert open_recording(path).verify()["epoch"].tolist() == [0]
    else:
        assert open_recording(path).verify()["epoch"].tolist() == list(range(written))
        assert not list((path / "staging").iterdir())
    for epoch in open_recording(path).epochs:
        expected = np.random.default_rng(epoch).random((500 * (epoch + 1), 8), dtype=np.float32)
        np.testing.assert_array_equal(open_recording(path).values("g", epoch), expected)
    if what == "size":  # there is room again
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        with RecordingWriter(path, HEADER) as writer:
            write(writer, 99, 9)
        assert open_recording(path).verify()["epoch"].tolist() == [*range(written), 99]
    sys.stdout.write(f"{said}\n{written} epochs\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
