"""Recordings that were edited together with their digests, as anybody can do."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stripe.files import footer_sha256
from stripe.recording.sealed import seal, unseal


def reseal(file: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Change the values of a sealed file, give it a digest that fits, and return that."""
    values, _ = unseal(file)
    change(values)
    content, digest = seal(values)
    file.write_bytes(content)
    return digest


def fit(path: Path, rows: int) -> None:
    """Make the log and the head fit the part of epoch 0, the only one."""
    part = path / "data/epoch=0/part-0.parquet"
    known = {
        "rows": rows,
        "bytes": part.stat().st_size,
        "sha256": hashlib.sha256(part.read_bytes()).hexdigest(),
        "footer_sha256": footer_sha256(part),
    }

    def change(values: dict[str, Any]) -> None:
        values["rows"] = rows
        values["parts"][0] |= known

    last = reseal(path / "log/0.json", change)
    reseal(path / "log/head.json", lambda head: head.update(last=last))


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of epoch 0, the only one, and make log and head fit."""
    part = path / "data/epoch=0/part-0.parquet"
    table = pq.read_table(part, partitioning=None)
    changed = change(table)
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), part)
    fit(path, changed.num_rows)
