"""Move an existing recording aside to make room for a new one; never delete it."""

from itertools import count
from pathlib import Path

from stripe.errors import RecordingError
from stripe.files import refuse_links, sync
from stripe.locks import FileLock
from stripe.recording.layout import Layout


def refuse_recorded(layout: Layout, epoch: int | None = None) -> None:
    """Raise an error if a directory holds recorded epochs (with `epoch`, this epoch).

    Call this function before the work for more epochs begins.

    Raises
    ------
    RecordingError
        If it holds such an epoch. The message says what to do.
    """
    epochs = layout.epochs()
    if not epochs or (epoch is not None and epoch not in epochs):
        return
    held = f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
    if epoch is not None:
        raise held_already(layout, epoch)
    raise RecordingError(
        f"{layout.root} must hold no recording, and holds {held}; resume=True continues it, and "
        "overwrite=True moves it aside"
    )


def held_already(layout: Layout, epoch: int) -> RecordingError:
    """Return the error about an epoch that is already recorded, with both remedies."""
    return RecordingError(
        f"{layout.root} holds epoch {epoch} already and is append-only; record the next free "
        f"epoch with epoch={(free := layout.epochs()[-1] + 1)} (--epoch {free}), or move the "
        "recording aside with overwrite=True (--overwrite)"
    )


class MovedAside:
    """A recording that was renamed, to NAME.old-1 or the next free number, and can be put back.

    Parameters
    ----------
    layout
        Paths of a recording without an open writer.

    Raises
    ------
    RecordingError
        If a writer has the recording open.
    StripeError
        If the directory is a symbolic link.
    """

    def __init__(self, layout: Layout) -> None:
        self._root = layout.root.absolute()
        refuse_links(self._root)
        lock = FileLock(layout.lock, kind=RecordingError)
        try:
            self.path = _free(self._root)
            self._root.rename(self.path)
        finally:
            lock.release()
        sync(self._root.parent)

    def undo(self) -> None:
        """Move the recording back, unless its place is taken."""
        if not self._root.exists():
            self.path.rename(self._root)
            sync(self._root.parent)


def _free(root: Path) -> Path:
    candidates = (root.with_name(f"{root.name}.old-{number}") for number in count(1))
    return next(path for path in candidates if not path.exists())
