"""Append epochs, of one process or several ranks: each complete or absent, also after a kill."""

import json
import operator
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import SupportsIndex

from stripe.errors import RecordingError
from stripe.files import make_folder, refuse_links, sync, write_whole, writing
from stripe.interrupts import interrupts_held
from stripe.locks import FileLock
from stripe.recording.aside import MovedAside, held_already
from stripe.recording.check_images import check_images, images_of, taken_images
from stripe.recording.continued import check_same, upgrade
from stripe.recording.field_types import check_header
from stripe.recording.header import StoredHeader, read_header, seal_header
from stripe.recording.layout import MOST_EPOCHS, Layout
from stripe.recording.log import Log
from stripe.recording.new_directory import NewDirectory, check_root
from stripe.recording.part import PartWriter
from stripe.recording.schema import Header, part_schema
from stripe.typed import typed


def alone() -> None:
    """Return at once: the barrier of a single process."""


class RecordingWriter:
    """Write epochs into a recording, as a context manager.

    Only one writer, or one group of `processes` writers, can have a directory open at a time.

    Opening a writer takes the lock and deletes the files that a killed writer left in `staging/`.
    The writer continues an existing recording if its gates, network, data set, seed, image shape
    and `per_image` are those of `header`. It replaces a recording without epochs. If the writer
    fails before it commits an epoch, it removes what it has added to the directory.

    Parameters
    ----------
    path
        A new or empty directory, or a recording.
    header
        Gates and provenance of the recording.
    rank, processes
        Rank of this process, and number of processes. Each process writes a part of every epoch.
        When all parts are written, rank 0 commits the epoch.
    barrier
        Function that waits, with a time limit, until all processes have called it. It is required
        if `processes` is above 1.
    overwrite
        Rename an existing recording, as `Recorder` does.

    Raises
    ------
    RecordingError
        In one of these cases:

        - the directory holds other files, is locked, cannot be written or is damaged;
        - the directory holds a recording whose gates, network, data set, seed, image shape or
          `per_image` differ from those of `header` (without `overwrite`);
        - `header` names a gate twice, or a gate is not a `RecordedGate` with positive sizes;
        - `processes` is above 1, and there is no `barrier`.
    StripeError
        If a folder in the directory is a symbolic link, or, with `overwrite`, the directory is one.

    Examples
    --------
    >>> from stripe.recording import Header, RecordedGate, RecordingWriter
    >>> gate = RecordedGate(name="se", owner="block", owner_class="Block", channels=2, pooled=False)
    >>> with RecordingWriter("runs/own", Header(gates=(gate,))) as writer, writer.epoch(0) as part:
    ...     part.write(np.arange(3), {"gate/se": np.zeros((3, 2))})
    >>> stripe.open_recording("runs/own").values("se").shape
    (3, 2)
    """

    @typed
    def __init__(
        self,
        path: str | Path,
        header: Header,
        *,
        rank: int = 0,
        processes: int = 1,
        barrier: Callable[[], None] = alone,
        overwrite: bool = False,
    ) -> None:
        self.layout = Layout(Path(path).expanduser())
        self.header = header
        self.rank = rank
        self.processes = processes
        if processes > 1 and barrier is alone:
            raise RecordingError(f"{processes} processes need a barrier=, got none")
        self._barrier = barrier
        self._lock: FileLock | None = None
        self._new_directory: NewDirectory | None = None
        self._aside: MovedAside | None = None
        self._overwrite = overwrite
        self._failed = False
        try:
            check_header(header)
        except ValueError as error:
            raise RecordingError(
                f"a recording must be of gates that columns hold: {error}"
            ) from error
        self._schema = part_schema(header)
        try:
            if rank == 0:
                with interrupts_held():
                    self._open()
            barrier()
            if rank > 0:
                self._log = Log(self.layout, read_header(self.layout))
        except BaseException:
            self._failed = True
            self.close()
            raise

    @property
    def epochs(self) -> list[int]:
        """The committed epochs, ascending."""
        with writing(self.layout.data):
            return self.layout.epochs()

    def weights(self, epoch: int) -> str | None:
        """Return the digest of the weights of an epoch, or None if it is not known.

        Raises
        ------
        RecordingError
            If the epoch is not recorded.
        """
        if epoch not in self.epochs:
            raise RecordingError(f"{self.layout.root} holds no epoch {epoch}")
        return self._log.record(epoch).weights

    @contextmanager
    def epoch(self, epoch: SupportsIndex, *, weights: str | None = None) -> Iterator[PartWriter]:
        """Yield a `PartWriter` for one epoch.

        The epoch is committed at the end, or discarded on an exception.

        Parameters
        ----------
        epoch
            Number of the epoch, from 0 to 10^18 - 1.
        weights
            Digest of the weights with which the gates are recorded. The log stores the digest that
            rank 0 gives.

        Raises
        ------
        RecordingError
            In one of these cases:

            - the number is out of range, or the epoch is already recorded;
            - the epoch has no images, or an image occurs twice;
            - the writer is closed, or the disk fails.
        StripeError
            If the folder `staging` is a symbolic link.
        """
        epoch = _whole(epoch)
        self._check_new(epoch)
        staged = self.layout.staged(epoch)
        refuse_links(self.layout.staging, staged)
        try:
            with writing(staged):
                staged.mkdir(parents=True, exist_ok=True)
            with PartWriter(staged, self.rank, self._schema, epoch) as part:
                yield part
            self._barrier()
            if self.rank == 0:
                with writing(staged):
                    self._commit(epoch, weights)
                    self._new_directory = self._aside = None
            self._barrier()
        except BaseException:
            if self._writes and epoch not in self.epochs:
                self._failed = True
                with writing(self.layout.root):
                    self._log.drop(epoch)
            raise

    def discard(self, epoch: int) -> None:
        """Drop an epoch and all epochs committed after it, in reverse order.

        Each epoch is dropped as a whole: if the process is killed, the epoch is either complete or
        absent. Epochs that were committed earlier stay, and the log continues after them. Every
        process must call this method.

        Raises
        ------
        RecordingError
            If the epoch is not recorded, the writer is closed, or the disk fails.
        StripeError
            If the folder of an epoch is a symbolic link.
        """
        if self.rank == 0:
            self._check_open()
            order = self._log.head().epochs
            if epoch not in order:
                raise RecordingError(f"{self.layout.root} holds no epoch {epoch} to discard")
            refuse_links(*(self.layout.epoch(later) for later in order))
            for later in reversed(order[order.index(epoch) :]):
                with writing(self.layout.root):
                    self._discard(later)
        self._barrier()

    def _discard(self, epoch: int) -> None:
        """Move an epoch to where a killed commit leaves one, and drop it from there."""
        shutil.rmtree(self.layout.staged(epoch), ignore_errors=True)
        self.layout.epoch(epoch).rename(self.layout.staged(epoch))
        sync(self.layout.data)
        sync(self.layout.staging)
        self._log.drop(epoch)

    def close(self) -> None:
        """Release the lock. If the writer failed before its first epoch, restore the directory.

        In a process that was forked from the process of the writer, this method does nothing.
        """
        if self._lock is not None and not self._lock.held:
            return
        try:
            if self._new_directory is not None and self._failed:
                self._new_directory.undo()
            if self._aside is not None and self._failed:
                self._aside.undo()
        finally:
            self._new_directory = self._aside = None
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def __enter__(self) -> "RecordingWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._failed |= kind is not None
        self.close()

    def _open(self) -> None:
        root = self.layout.root
        with writing(root):
            check_root(self.layout)
            if self._overwrite and self.layout.header.exists():
                self._aside = MovedAside(self.layout)
            new_directory = NewDirectory(self.layout)
            make_folder(root)
            self._lock = FileLock(self.layout.lock, kind=RecordingError)
            if not self.layout.header.exists():
                self._new_directory = new_directory
            folders = (self.layout.data, self.layout.logs, self.layout.staging)
            refuse_links(*folders)
            for folder in folders:
                folder.mkdir(exist_ok=True)
            stored = self._recovered()
            if stored is not None and (self.layout.epochs() or self.layout.logged()):
                self._continue(stored)
            else:
                self._new_directory = new_directory
                self._begin()

    def _recovered(self) -> StoredHeader | None:
        """Drop the remains of a killed writer, and return the header if there is one."""
        stored = read_header(self.layout) if self.layout.header.exists() else None
        if stored is not None:
            Log(self.layout, stored).roll_back()
        for draft in self.layout.drafts():
            draft.unlink(missing_ok=True)
        for epoch in self.layout.being_moved():  # by name: what somebody else put there stays
            shutil.rmtree(self.layout.staged(epoch))
        sync(self.layout.root)
        return stored

    def _begin(self) -> None:
        """Write a header, last, over that of a recording without epochs if there is one."""
        self.layout.header.unlink(missing_ok=True)
        content, digest = seal_header(self.header)
        self._log = Log(self.layout, StoredHeader(self.header, digest))
        self._log.begin()
        write_whole(self.layout.header, content)

    def _continue(self, stored: StoredHeader) -> None:
        refuse_links(*map(self.layout.epoch, self.layout.epochs()))
        check_same(stored.header, self.header, self.layout.root)
        if stored.digest is None:
            stored = upgrade(self.layout, stored, self.header)
        self._log = Log(self.layout, stored)
        self._log.committed()  # all of it is there

    def _check_new(self, epoch: int) -> None:
        self._check_open()
        if not 0 <= epoch < MOST_EPOCHS:
            raise RecordingError(f"an epoch is 0 or more, and below 10^18, got {epoch}")
        if epoch in self.epochs:
            raise held_already(self.layout, epoch)

    @property
    def _writes(self) -> bool:
        """Whether this is the process that commits, and the recording is open."""
        return self._lock is not None and self._lock.held

    def _check_open(self) -> None:
        if self.rank == 0 and not self._writes:
            raise RecordingError(f"the writer of {self.layout.root} is closed; open a new one")

    def _commit(self, epoch: int, weights: str | None) -> None:
        """Log the epoch, then make it appear by one rename."""
        staged = self.layout.staged(epoch)
        records = []
        for rank in range(self.processes):
            record = PartWriter.record_path(staged, rank)
            records.append(json.loads(record.read_text()))
            record.unlink()
        if self.header.per_image:
            images = images_of(staged, [record["name"] for record in records])
        else:
            images = taken_images(staged, self.processes)
        check_images(images)
        sync(staged)
        sync(self.layout.staging)
        self._log.append(epoch, records, weights)
        staged.rename(self.layout.epoch(epoch))
        sync(self.layout.data)
        sync(self.layout.staging)


def _whole(epoch: SupportsIndex) -> int:
    try:
        return operator.index(epoch)
    except TypeError:
        raise RecordingError(f"an epoch is a whole number, got {epoch!r}") from None
