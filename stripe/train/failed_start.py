"""Restore the directory of a run that fails before it has anything to keep."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stripe.train.manifest import MANIFEST
from stripe.train.run import CONFIG, LOCK


@contextmanager
def nothing_left(out: Path, *, first: bool = True) -> Iterator[None]:
    """Remove the files of a new run that fails before its first checkpoint or recorded epoch.

    So the corrected command may have the same directory. A run that was there before is left as it
    is.

    Parameters
    ----------
    out
        The directory of the run.
    first
        Whether this is the process that writes it.
    """
    new = first and not (out / CONFIG).exists()
    missing = [path for path in (out, *out.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        if new:
            _undo(out, missing)
        raise


def _undo(out: Path, missing: list[Path]) -> None:
    names = {CONFIG, MANIFEST}
    names |= {f"{name}.draft" for name in names}
    if not out.is_dir() or not {path.name for path in out.iterdir()} <= names | {LOCK}:
        return
    for name in sorted(names):  # the configuration first: without it the rest is no run
        (out / name).unlink(missing_ok=True)
    for directory in missing:
        with suppress(OSError):  # something of somebody else's is in it
            directory.rmdir()
