"""The log of a recording: a chain of sealed records, one per epoch, and its head."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from stripe.errors import RecordingError
from stripe.files import parse_json, read_regular, sync, write_whole
from stripe.recording.field_types import check_fields
from stripe.recording.header import StoredHeader
from stripe.recording.layout import Layout, part_name
from stripe.recording.schema import part_schema
from stripe.recording.sealed import seal, unseal


@dataclass(frozen=True, kw_only=True)
class PartRecord:
    """The log entry of one file, with the SHA-256 of the whole file and that of its footer."""

    name: str
    rows: int
    bytes: int
    sha256: str
    footer_sha256: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """The log record of one epoch.

    Parameters
    ----------
    epoch, rows, schema
        Number of the epoch, number of its rows, and a mapping from columns to types.
    parts
        The files of the epoch, by rank.
    weights
        Digest of the weights that were recorded; None if it is not known.
    previous
        Digest of the record that was written before this one; None for the first.
    digest
        SHA-256 of this record; None in format version 1.
    """

    epoch: int
    rows: int
    schema: dict[str, str]
    parts: tuple[PartRecord, ...]
    weights: str | None = None
    previous: str | None = None
    digest: str | None = None


class Head(NamedTuple):
    """The epochs in the order of their commits, and the digest of the last record."""

    epochs: tuple[int, ...]
    last: str | None


class LogState(NamedTuple):
    """The head, and the epochs in data/, in staging/ and in the log at one time.

    If an epoch is replaced, only the digest of the last record changes.
    """

    last: str | None
    listed: tuple[int, ...]
    recorded: tuple[int, ...]
    moving: tuple[int, ...]
    logged: tuple[int, ...]


class Log:
    """Read the log of a recording or, in its one writer, change it.

    Parameters
    ----------
    layout
        Paths of the recording.
    stored
        The header and its digest. The digest is None for format version 1.
    """

    def __init__(self, layout: Layout, stored: StoredHeader) -> None:
        self._layout = layout
        self._header, self._header_digest = stored

    @property
    def chained(self) -> bool:
        """Whether the log has a head and linked records, as from format version 2 on."""
        return self._header_digest is not None

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns that the header gives every part."""
        return part_schema(self._header)

    @cached_property
    def _columns(self) -> dict[str, str]:
        return {field.name: str(field.type) for field in self.schema}

    def head(self) -> Head:
        """Read the head."""
        path = self._layout.head
        if not self.chained:
            return Head(tuple(self._layout.logged()), None)
        values, _ = _read(path, {"header", "epochs", "last"}, sealed=True)
        if values["header"] != self._header_digest:
            raise RecordingError(
                f"{path} is not of {self._layout.header}: one of the two was replaced; restore "
                "both from one copy"
            )
        try:
            head = Head(tuple(values["epochs"]), values["last"])
            check_fields(head)
        except (TypeError, ValueError) as error:
            raise RecordingError(f"{path} is damaged ({error}); restore it from a copy") from error
        return head

    def committed(self) -> list[int]:
        """Return the recorded epochs, ascending.

        Raises
        ------
        RecordingError
            If a logged epoch is missing, or an epoch is not in the log.
        """
        seen = self.state()
        # Work of a writer looks different the second time.
        while (problem := self._problem(seen)) is not None:
            again = self.state()
            if again == seen:
                raise RecordingError(problem)
            seen = again
        return sorted(set(seen.recorded) & set(seen.listed))

    def state(self) -> LogState:
        """List the contents of the head and the folders, which a writer may change meanwhile."""
        layout = self._layout
        there = layout.epochs(), layout.being_moved(), layout.logged()
        head = self.head()
        return LogState(head.last, head.epochs, *map(tuple, there))

    def _problem(self, seen: LogState) -> str | None:
        layout, copy = self._layout, "restore it from a copy"
        there, listed, logged = {*seen.recorded, *seen.moving}, {*seen.listed}, {*seen.logged}
        for epoch in self._displaced(seen.listed, {*seen.moving} - {*seen.recorded}):
            return self._move_back(epoch)
        for epoch in seen.listed:
            if epoch not in there:
                said = layout.head if self.chained else layout.log(epoch)
                return f"{layout.epoch(epoch)} is missing, though {said} lists it; {copy}"
        for epoch in seen.recorded:
            if self.chained and epoch not in listed:
                return f"{layout.epoch(epoch)} is not in {layout.head}; remove it"
            if epoch not in logged:
                return f"{layout.log(epoch)} is missing; {copy}"
        return None

    def _displaced(self, listed: Sequence[int], moving: Iterable[int]) -> list[int]:
        """Return the epochs in staging/ that no writer left there: all but the last listed one."""
        return sorted({*moving} & {*listed[:-1]}) if self.chained else []

    def _move_back(self, epoch: int) -> str:
        staged, layout = self._layout.staged(epoch), self._layout
        return (
            f"{staged} is a recorded epoch, though {layout.head} lists later ones, and a writer "
            f"leaves only the last one there; move it back to {layout.epoch(epoch)}"
        )

    def record(self, epoch: int) -> Record:
        """Read and check the record of an epoch."""
        path = self._layout.log(epoch)
        values, digest = _read(path, {"epoch", "rows", "schema", "parts"}, sealed=self.chained)
        header = values.pop("header", None)
        try:
            parts = tuple(PartRecord(**part) for part in values.pop("parts"))
            record = Record(**values, parts=parts, digest=digest)
            for part in (*parts, record):
                check_fields(part)
        except (TypeError, ValueError) as error:
            raise RecordingError(f"{path} is damaged ({error}); restore it from a copy") from error
        if (problem := self._contradiction(record, epoch)) is not None:
            raise RecordingError(f"{path} {problem}; restore it from a copy")
        if header != self._header_digest and self.chained:
            raise RecordingError(
                f"{path} is of another recording than {self._layout.header}; restore both from one "
                "copy"
            )
        return record

    def _contradiction(self, record: Record, epoch: int) -> str | None:
        if record.epoch != epoch:
            return f"is the log of epoch {record.epoch}"
        if [part.name for part in record.parts] != [*map(part_name, range(len(record.parts)))]:
            return "does not name each part once"
        if record.rows != sum(part.rows for part in record.parts):
            return "counts other rows than its parts"
        if record.schema != self._columns:
            return f"has other columns than {self._layout.header} says"
        return None

    def append(
        self, epoch: int, parts: Sequence[dict[str, Any]], weights: str | None = None
    ) -> None:
        """Log an epoch. The epoch counts as recorded when its directory is in `data/`."""
        head = self.head()
        if head.epochs and not self._layout.epoch(head.epochs[-1]).exists():
            self.drop(head.epochs[-1])  # its commit failed, and so did the attempt to undo that
            head = self.head()
        values = {
            "header": self._header_digest,
            "previous": head.last,
            "epoch": epoch,
            "rows": sum(part["rows"] for part in parts),
            "schema": self._columns,
            "weights": weights,
            "parts": list(parts),
        }
        content, digest = seal(values)
        write_whole(self._layout.log(epoch), content)
        self._write_head(Head((*head.epochs, epoch), digest))

    def drop(self, epoch: int) -> None:
        """Drop a staged epoch, from the head first, so that the head is always valid.

        Raises
        ------
        RecordingError
            If the head lists epochs that were committed after this one.
        """
        head = self.head()
        if self._displaced(head.epochs, (epoch,)):
            raise RecordingError(self._move_back(epoch))
        if self.chained and epoch in head.epochs:
            self._write_head(Head(head.epochs[:-1], self.record(epoch).previous))
        self._layout.log(epoch).unlink(missing_ok=True)
        sync(self._layout.logs)
        shutil.rmtree(self._layout.staged(epoch), ignore_errors=True)

    def roll_back(self) -> None:
        """Drop the epochs that a killed writer was writing or dropping.

        Raises
        ------
        RecordingError
            If one of them is not the last in the head. Nothing is dropped then.
        """
        moving = sorted({*self._layout.being_moved()} - {*self._layout.epochs()})
        for epoch in self._displaced(self.head().epochs, moving) if moving else ():
            raise RecordingError(self._move_back(epoch))
        for epoch in moving:
            self.drop(epoch)

    def begin(self) -> None:
        """Write the head of a recording without epochs."""
        self._write_head(Head((), None))

    def _write_head(self, head: Head) -> None:
        values = {"header": self._header_digest, "epochs": list(head.epochs), "last": head.last}
        write_whole(self._layout.head, seal(values).content)


def _read(path: Path, keys: set[str], *, sealed: bool) -> tuple[dict[str, Any], str | None]:
    """Return the values of a file of the log, with at least these keys, and its digest."""
    try:
        values: Any
        values, digest = unseal(path) if sealed else (parse_json(read_regular(path)), None)
        if not isinstance(values, dict) or not keys <= set(values):
            raise ValueError(f"it must hold {', '.join(sorted(keys))}")
    except FileNotFoundError as error:
        raise RecordingError(f"{path} is missing; restore it from a copy") from error
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path} is damaged ({error}); restore it from a copy") from error
    values.pop("sha256", None)  # of a log that is being sealed, see `upgrade`
    return values, digest
