"""Locks on files: one process at a time, and none that outlives its process."""

import errno
import fcntl
import os
import stat
from pathlib import Path
from weakref import WeakSet

from stripe.errors import StripeError

#: How often a lock is opened again where its last holder removed the file meanwhile.
_ATTEMPTS = 100


class FileLock:
    """Hold `path` locked until `release`, or until the process ends in any way.

    A `FileLock` is a context manager. The file holds the number of the process. A forked process
    does not share the lock, which the parent still holds.

    Parameters
    ----------
    path
        The lock file, which is used for nothing else. It is created if it is missing.
    wait
        Wait until another holder releases the lock. Default: raise an error.
    remove
        Remove the file on `release`.
    kind
        Class of the errors.

    Raises
    ------
    StripeError
        If another process, or another `FileLock` in this process, holds the lock; or if `path` is a
        link or no regular file.
    OSError
        If the file cannot be created.
    """

    def __init__(
        self,
        path: Path,
        *,
        wait: bool = False,
        remove: bool = False,
        kind: type[StripeError] = StripeError,
    ) -> None:
        self.path, self._kind, self._remove = path, kind, remove
        self._descriptor: int | None = None
        for _ in range(_ATTEMPTS):
            self._descriptor = self._opened()
            _HELD.add(self)
            try:
                if self._taken(wait):
                    return
            except BaseException:
                self._close()
                raise
            self._close()
        raise kind(f"{path} was removed as often as it was opened; try again")

    @property
    def held(self) -> bool:
        """Whether this process holds the lock; False after `release` and in a forked process."""
        return self._descriptor is not None

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            if self._remove:
                self.path.unlink(missing_ok=True)
            # A child that is being forked may still hold the file open.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self._close()

    def __enter__(self) -> "FileLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _opened(self) -> int:
        # O_NONBLOCK: to open a pipe must not wait for its other end.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags, 0o666)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise self._linked() from error
            raise
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            os.close(descriptor)
            raise self._linked()
        return descriptor

    def _linked(self) -> StripeError:
        return self._kind(
            f"{self.path} must be a file of its own to be locked, and is a link or no file; remove "
            "it"
        )

    def _taken(self, wait: bool) -> bool:
        """Lock the open file, and return whether it still has its name."""
        descriptor = self._descriptor
        assert descriptor is not None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise self._kind(
                f"{self.path.parent} takes one writer at a time and {_holder(descriptor)} is "
                "writing; wait for it, or choose another directory"
            ) from error
        try:
            if not os.path.samestat(os.fstat(descriptor), self.path.lstat()):
                return False
        except FileNotFoundError:
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return True

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        _HELD.discard(self)


def _holder(descriptor: int) -> str:
    """Return who holds a lock, by the number in its file; it may be of one that died before."""
    number = os.pread(descriptor, 20, 0).strip()
    if number.isdigit():
        try:
            os.kill(int(number), 0)
        except PermissionError:
            return f"process {int(number)}"
        except (OSError, OverflowError):
            return "another process"
        return f"process {int(number)}"
    return "another process"


#: The locks of this process.
_HELD: WeakSet[FileLock] = WeakSet()


def _forget() -> None:
    """Close the locks of the parent in a forked process, which would keep them locked."""
    for lock in list(_HELD):
        lock._close()


os.register_at_fork(after_in_child=_forget)
