"""Restore the directory of a run that fails before its first result."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stripe.train.manifest import MANIFEST
from stripe.train.run import CONFIG, LOCK


@contextmanager
def nothing_left(out: Path, *, first: bool = True) -> Iterator[None]:
    """Remove the files of a new run that fails before its first checkpoint or recorded epoch.

    The corrected command can then use the same directory. A run that existed before is not changed.

    Parameters
    ----------
    out
        The directory of the run.
    first
        Whether this is the process that writes the files.
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
        with suppress(OSError):  # it holds other files
            directory.rmdir()
