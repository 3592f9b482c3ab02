"""One writer at a time."""

import fcntl
import os
from pathlib import Path

from stripe.errors import RecordingError


class WriterLock:
    """Hold `path` locked until `release`, or until the process ends in whatever way.

    Raises
    ------
    RecordingError
        If another process, or another writer of this one, holds it.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise RecordingError(
                f"{path.parent} takes one writer at a time and process {holder} is writing; wait "
                "for it, or record into another directory"
            ) from error
        if not path.exists() or not os.path.samestat(os.fstat(self._file.fileno()), path.stat()):
            self._file.close()
            raise RecordingError(
                f"a writer of {path.parent} failed meanwhile and removed the lock; try again"
            )
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let the next writer in, even if a forked process still holds the file open."""
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._file.close()
