"""Check every file of a recording against its log."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stripe.errors import RecordingError
from stripe.files import sha256
from stripe.recording.finished_part import check_epoch
from stripe.recording.layout import Layout
from stripe.recording.log import Log, PartRecord, Record


def verify(layout: Layout, log: Log) -> pd.DataFrame:
    """Return epoch, part, rows, bytes and SHA-256 of every file; raise at the first damaged one.

    Changes by a writer at the same time look like damage. After an error, the files are therefore
    read again. The error is raised if the log did not change during the check, or if the same error
    occurs again.
    """
    said = ""
    while True:
        seen = log.state()
        try:
            return _verified(layout, log)
        except RecordingError as error:
            if str(error) == said or log.state() == seen:
                raise
            said = str(error)


def _verified(layout: Layout, log: Log) -> pd.DataFrame:
    there = [*_inside(layout.data), *layout.logs.glob("*.json")]
    committed = log.committed()
    if foreign := set(there) - _known(layout, committed):
        raise RecordingError(f"{min(foreign)} is not of this recording; remove it")
    recorded = set(committed)
    records = [record for record in _chain(layout, log) if record.epoch in recorded]
    for record in records:
        _check_epoch(layout.epoch(record.epoch), record, log.schema)
    columns = ["epoch", "part", "rows", "bytes", "sha256"]
    rows = [
        (record.epoch, part.name, part.rows, part.bytes, part.sha256)
        for record in sorted(records, key=lambda record: record.epoch)
        for part in record.parts
    ]
    return pd.DataFrame(rows, columns=columns)


def _inside(folder: Path) -> list[Path]:
    """Return the entries of a folder of the recording."""
    try:
        return list(folder.iterdir())
    except FileNotFoundError as error:
        raise RecordingError(f"{folder} is missing; restore it from a copy") from error
    except OSError as error:
        raise RecordingError(
            f"{folder} is not a readable folder ({error.strerror}); restore it from a copy"
        ) from error


def _known(layout: Layout, committed: list[int]) -> set[Path]:
    logged = [*committed, *layout.being_moved()]
    return {layout.head, *map(layout.epoch, committed), *map(layout.log, logged)}


def _chain(layout: Layout, log: Log) -> list[Record]:
    """Return the records that the head lists, each checked to follow the one before it."""
    head = log.head()
    records = [log.record(epoch) for epoch in head.epochs]
    before, path = None, None
    for record in records if log.chained else []:
        if record.previous != before:
            raise RecordingError(
                f"{layout.log(record.epoch)} does not follow {path or 'the header'}: one of the "
                "two was replaced; restore both from one copy"
            )
        before, path = record.digest, layout.log(record.epoch)
    if log.chained and before != head.last:
        raise RecordingError(
            f"{path or layout.logs} does not end the log as {layout.head} says: one of the two was "
            "replaced; restore both from one copy"
        )
    return records


def _check_epoch(directory: Path, record: Record, schema: pa.Schema) -> None:
    named = {part.name for part in record.parts}
    if foreign := sorted(path.name for path in _inside(directory) if path.name not in named):
        raise RecordingError(f"{directory / foreign[0]} is not in the log; remove it")
    images = [_checked(directory / part.name, part, record.epoch, schema) for part in record.parts]
    unique, counts = np.unique(np.concatenate(images), return_counts=True)
    if len(unique) and counts.max() > 1:
        raise RecordingError(
            f"{directory} holds image {unique[counts.argmax()]} {counts.max()} times, and an image "
            "must occur once in an epoch; record it again"
        )


def _checked(path: Path, part: PartRecord, epoch: int, schema: pa.Schema) -> np.ndarray:
    """Check one file, and return its images, none if it holds moments."""
    if not path.is_file():
        raise RecordingError(f"{path} is missing; restore it from a copy")
    size = path.stat().st_size
    if size != part.bytes:
        raise RecordingError(f"{path} must have {part.bytes} bytes, has {size}; restore it")
    if sha256(path) != part.sha256:
        raise RecordingError(f"{path} changed since it was recorded (SHA-256 differs); restore it")
    try:
        with pq.ParquetFile(path) as file:
            check_epoch(file, epoch)
            if not file.schema_arrow.equals(schema):
                raise ValueError("other columns than the header says")
            if file.metadata.num_rows != part.rows:
                raise ValueError(f"{file.metadata.num_rows} rows for {part.rows}")
            if "image" not in schema.names:
                return np.empty(0, np.int64)
            images: np.ndarray = file.read(columns=["image"])["image"].to_numpy()
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
        reason = str(error).partition("\n")[0]
        raise RecordingError(
            f"{path} is not what the log says ({reason}); restore it from a copy"
        ) from error
    return images
