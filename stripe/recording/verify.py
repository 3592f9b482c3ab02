"""Check every file of a recording against its log record."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stripe.errors import RecordingError
from stripe.recording.durable import sha256
from stripe.recording.layout import Layout


def verify(layout: Layout) -> pd.DataFrame:
    """Return epoch, part, rows and bytes of every file; raise at the first that is not whole."""
    check_complete(layout)
    known = {layout.epoch(epoch) for epoch in layout.epochs()}
    if foreign := sorted(path for path in layout.data.iterdir() if path not in known):
        raise RecordingError(f"{foreign[0]} is not an epoch; remove it")
    rows = [
        {"epoch": epoch, "part": part["name"], "rows": part["rows"], "bytes": part["bytes"]}
        for epoch in layout.epochs()
        for part in _checked_parts(layout, epoch)
    ]
    return pd.DataFrame(rows, columns=["epoch", "part", "rows", "bytes"])


def check_complete(layout: Layout) -> None:
    """Raise if an epoch that was logged is gone, or one is there that was not logged."""
    for epoch in set(layout.logged()) - set(layout.epochs()):
        # An epoch that is logged and still staged was being committed when its writer died.
        # One that appeared meanwhile was being committed by a writer that lives.
        staged = layout.staged(epoch).exists()
        if not staged and epoch not in layout.epochs() and layout.log(epoch).exists():
            raise RecordingError(f"{layout.epoch(epoch)} is missing, though {layout.log(epoch)} "
                                 "says that it was recorded; restore it from a copy")  # fmt: skip
    for epoch in set(layout.epochs()) - set(layout.logged()):
        raise RecordingError(f"{layout.log(epoch)} is missing; restore it from a copy")


def _checked_parts(layout: Layout, epoch: int) -> list[dict[str, Any]]:
    log = read_log(layout.log(epoch))
    directory = layout.epoch(epoch)
    named = {part["name"] for part in log["parts"]}
    if foreign := sorted(path.name for path in directory.iterdir() if path.name not in named):
        raise RecordingError(f"{directory / foreign[0]} is not in the log; remove it")
    for part in log["parts"]:
        _check_part(directory / part["name"], part, log["schema"])
    return list(log["parts"])


def read_log(path: Path) -> dict[str, Any]:
    """Read the log record of an epoch: rows, schema and parts (name, rows, bytes, sha256)."""
    try:
        log: dict[str, Any] = json.loads(path.read_text())
        keys = {"name", "rows", "bytes", "sha256", "footer_sha256"}
        if missing := [keys - set(part) for part in log["parts"] if keys - set(part)]:
            raise KeyError(missing[0].pop())
        log["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path} is damaged ({error}); restore it from a copy") from error
    return log


def _check_part(path: Path, part: dict[str, Any], columns: dict[str, str]) -> None:
    if not path.is_file():
        raise RecordingError(f"{path} is missing; restore it from a copy")
    size = path.stat().st_size
    if size != part["bytes"]:
        raise RecordingError(f"{path} must have {part['bytes']} bytes, has {size}; restore it")
    if sha256(path) != part["sha256"]:
        raise RecordingError(f"{path} changed since it was recorded (SHA-256 differs); restore it")
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise RecordingError(f"{path} is not Parquet ({error}); restore it") from error
    if {field.name: str(field.type) for field in file.schema_arrow} != columns:
        raise RecordingError(f"{path} has other columns than its log record says; restore it")
    if file.metadata.num_rows != part["rows"]:
        raise RecordingError(f"{path} must have {part['rows']} rows, has {file.metadata.num_rows}")
