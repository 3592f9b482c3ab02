"""Check the directory of a new recording, and restore it after a failure; its lock: `locks.py`."""

import shutil
from contextlib import suppress
from pathlib import Path

from stripe.errors import RecordingError
from stripe.recording.layout import Layout


class NewDirectory:
    """Remember which directories are missing, so that they can be removed after a failure.

    Parameters
    ----------
    layout
        Paths of the recording that will be created.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        root = layout.root
        self._missing = [path for path in (root, *root.parents) if not path.exists()]

    def undo(self) -> None:
        """Remove a recording without epochs, and the directories that were created for it.

        The header is removed first. If the process then dies, the rest is not a recording. Other
        files stay, with their directories.
        """
        layout = self._layout
        layout.header.unlink(missing_ok=True)
        layout.head.unlink(missing_ok=True)
        shutil.rmtree(layout.staging, ignore_errors=True)
        layout.lock.unlink(missing_ok=True)
        for directory in (layout.data, layout.logs, *self._missing):
            with suppress(OSError):
                directory.rmdir()


def check_root(layout: Layout) -> None:
    """Raise an error if the directory holds anything but a recording or the start of one."""
    root = layout.root
    if not root.exists() or layout.header.exists():
        return
    if not root.is_dir():
        raise RecordingError(f"a recording is a directory, and {root} is a file; choose another")
    # A writer killed before its header was in place leaves no more than these.
    inside = {layout.head, layout.head.with_name("head.json.draft")}
    folders = (layout.data, layout.logs, layout.staging)
    ours = {path for path in folders if path.is_dir() and _listed(path) <= inside}
    ours |= {layout.lock, root / "recording.json.draft"}
    there = _listed(root)
    if layout.header in there:
        return  # another writer has just made it
    if foreign := sorted(path.name for path in there if path not in ours):
        raise RecordingError(
            f"{root} must be a new or empty directory, or a recording, and holds {foreign[0]}; "
            "choose another directory"
        )


def _listed(folder: Path) -> set[Path]:
    """Return the entries of a folder, none if another writer has just removed it."""
    with suppress(FileNotFoundError):
        return set(folder.iterdir())
    return set()
