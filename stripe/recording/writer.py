"""Append epochs to a recording, each whole or not at all."""

import json
import operator
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import SupportsIndex

import numpy as np
import pyarrow.parquet as pq

from stripe.errors import RecordingError
from stripe.interrupts import interrupts_held
from stripe.recording.durable import sync, write_json, writing
from stripe.recording.layout import Layout
from stripe.recording.lock import WriterLock
from stripe.recording.part import PartWriter, images_path
from stripe.recording.reader import read_header
from stripe.recording.schema import Gate, Header, arrow_schema, moments_schema


def alone() -> None:
    """Return at once: the barrier of a single process."""


class RecordingWriter:
    """The one writer of a recording; a context manager.

    Opening it takes the lock and discards what a killed writer left in `staging/`. An existing
    recording is continued if its gates are the same.

    Parameters
    ----------
    path
        A new or empty directory, or a recording.
    header
        What is recorded.
    rank, processes
        Which of how many processes this is; each writes a part of every epoch, and rank 0 commits.
    barrier
        Waits, with a time limit, until all processes have called it.

    Raises
    ------
    RecordingError
        If the directory holds something else, cannot be written, is locked, or records other gates.
    """

    def __init__(
        self,
        path: str | Path,
        header: Header,
        *,
        rank: int = 0,
        processes: int = 1,
        barrier: Callable[[], None] = alone,
    ) -> None:
        self.layout = Layout(Path(path).expanduser())
        self.header = header
        self.rank = rank
        self.processes = processes
        if processes > 1 and barrier is alone:
            raise RecordingError(f"{processes} processes need a barrier=, got none")
        self._barrier = barrier
        self._lock: WriterLock | None = None
        self._schema = arrow_schema(header.gates) if header.per_image else moments_schema()
        try:
            if rank == 0:
                with interrupts_held():
                    self._open()
            barrier()
        except BaseException:
            self.close()
            raise

    @property
    def epochs(self) -> list[int]:
        """The committed epochs, in order."""
        return self.layout.epochs()

    @contextmanager
    def epoch(self, epoch: SupportsIndex) -> Iterator[PartWriter]:
        """Give a `PartWriter` for one epoch; commit on leaving, discard on any exception.

        Raises
        ------
        RecordingError
            If the epoch is negative, is recorded already, or ends without images or with an image
            twice.
        """
        epoch = _whole(epoch)
        self._check_new(epoch)
        staged = self.layout.staged(epoch)
        try:
            staged.mkdir(parents=True, exist_ok=True)
            with PartWriter(staged, self.rank, self._schema) as part:
                yield part
            self._barrier()
            if self.rank == 0:
                with writing(staged):
                    self._commit(epoch)
            self._barrier()
        except BaseException:
            if self.rank == 0 and epoch not in self.epochs:
                self._discard(epoch)
            raise

    def close(self) -> None:
        """Release the lock; what was committed stays."""
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
        self.close()

    def _open(self) -> None:
        root = self.layout.root
        with writing(root):
            _check_root(self.layout)
            root.mkdir(parents=True, exist_ok=True)
            sync(root.absolute().parent)
            self._lock = WriterLock(self.layout.lock)
        try:
            with writing(root):
                self._recover()
                if self.layout.header.exists():
                    _check_same(read_header(self.layout), self.header, root)
                else:
                    write_json(self.layout.header, self.header.to_json())
        except BaseException:
            self.close()
            raise

    def _recover(self) -> None:
        """Discard what a killed writer left in staging, and drafts."""
        for directory in (self.layout.data, self.layout.logs, self.layout.staging):
            directory.mkdir(exist_ok=True)
        for epoch in set(self.layout.logged()) - set(self.layout.epochs()):
            if self.layout.staged(epoch).exists():
                self._discard(epoch)
        for draft in [*self.layout.root.glob("*.draft"), *self.layout.logs.glob("*.draft")]:
            draft.unlink()
        shutil.rmtree(self.layout.staging)
        self.layout.staging.mkdir()
        sync(self.layout.root)

    def _discard(self, epoch: int) -> None:
        """Drop an uncommitted epoch; its log first, so that no log outlives what it logs."""
        self.layout.log(epoch).unlink(missing_ok=True)
        sync(self.layout.logs)
        shutil.rmtree(self.layout.staged(epoch), ignore_errors=True)

    def _check_new(self, epoch: int) -> None:
        if self.rank == 0 and self._lock is None:
            raise RecordingError(f"the writer of {self.layout.root} is closed; open a new one")
        if epoch < 0:
            raise RecordingError(f"an epoch is 0 or more, got {epoch}")
        if epoch in self.epochs:
            raise RecordingError(
                f"{self.layout.root} holds epoch {epoch} already and is append-only; record "
                "another epoch, or into another directory"
            )

    def _commit(self, epoch: int) -> None:
        """Log the epoch, then make it appear by one rename."""
        staged = self.layout.staged(epoch)
        records = []
        for rank in range(self.processes):
            record = PartWriter.record_path(staged, rank)
            records.append(json.loads(record.read_text()))
            record.unlink()
        if self.header.per_image:
            _check_images(_images(staged, [record["name"] for record in records]))
        else:
            _check_images(_taken_images(staged, self.processes))
        sync(staged)
        sync(self.layout.staging)
        columns = {field.name: str(field.type) for field in self._schema}
        rows = sum(record["rows"] for record in records)
        log = {"epoch": epoch, "rows": rows, "schema": columns, "parts": records}
        write_json(self.layout.log(epoch), log)
        staged.rename(self.layout.epoch(epoch))
        sync(self.layout.data)
        sync(self.layout.staging)


def _whole(epoch: SupportsIndex) -> int:
    try:
        return operator.index(epoch)
    except TypeError:
        raise RecordingError(f"an epoch is a whole number, got {epoch!r}") from None


def _check_root(layout: Layout) -> None:
    root = layout.root
    if not root.exists() or layout.header.exists():
        return
    if not root.is_dir():
        raise RecordingError(f"a recording is a directory, and {root} is a file; choose another")
    # A writer killed before its header was in place leaves no more than these, all empty.
    folders = (layout.data, layout.logs, layout.staging)
    ours = {path for path in folders if path.is_dir() and not any(path.iterdir())}
    ours |= {layout.lock, root / "recording.json.draft"}
    if foreign := sorted(path.name for path in root.iterdir() if path not in ours):
        raise RecordingError(
            f"{root} must be a new or empty directory, or a recording, and holds {foreign[0]}; "
            "choose another directory"
        )


def _check_same(there: Header, here: Header, root: Path) -> None:
    if there.per_image != here.per_image:
        kept = "values" if there.per_image else "moments only"
        raise RecordingError(f"{root} holds {kept}; record the other into another directory")
    if [_form(gate) for gate in there.gates] != [_form(gate) for gate in here.gates]:
        known, new = ({gate.name for gate in header.gates} for header in (there, here))
        differing = sorted(known ^ new) or ["the same names with other shapes or kinds"]
        raise RecordingError(
            f"{root} records other gates ({differing[0]}); record this model into another directory"
        )


def _form(gate: Gate) -> tuple[object, ...]:
    """Return what must stay the same for a recording to be continued."""
    return (gate.name, gate.channels, gate.groups, gate.kind, gate.pooled, gate.spatial)


def _images(staged: Path, parts: list[str]) -> np.ndarray:
    return np.concatenate([
        pq.read_table(staged / part, columns=["image"], partitioning=None)["image"].to_numpy()
        for part in parts
    ])  # fmt: skip


def _taken_images(staged: Path, processes: int) -> np.ndarray:
    """Take the indices of the images that moments are of out of the staged epoch."""
    images = [np.empty(0, np.int64)]
    for rank in range(processes):
        path = images_path(staged, rank)
        if path.exists():
            images.append(np.load(path))
            path.unlink()
    return np.concatenate(images)


def _check_images(images: np.ndarray) -> None:
    if not len(images):
        raise RecordingError("an epoch must hold at least one image, got none; check the loader")
    unique, counts = np.unique(images, return_counts=True)
    if counts.max() > 1:
        raise RecordingError(
            f"an image must come once in an epoch, and image {unique[counts.argmax()]} came "
            f"{counts.max()} times; record with a loader that neither repeats nor pads"
        )
