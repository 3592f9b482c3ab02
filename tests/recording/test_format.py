"""What is on disk, read with programs that are not ours."""

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from stripe.recording import open_recording

GATE = "layer1.0.bn3.gate"


@pytest.fixture
def values() -> dict[int, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return {
        epoch: {GATE: rng.random((6, 4)), "layer2.gate": rng.random((6, 3))} for epoch in (0, 3)
    }


@pytest.fixture
def path(values: dict[int, dict[str, np.ndarray]], write_recording: Callable[..., Path]) -> Path:
    return write_recording(values)


def test_layout_and_log(path: Path) -> None:
    files = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    assert files == {"recording.json", "LOCK", "log/head.json", "log/0.json", "log/3.json"} | {
        f"data/epoch={epoch}/part-0.parquet" for epoch in (0, 3)
    }
    log = json.loads((path / "log/3.json").read_text())
    assert log["rows"] == 6
    assert set(log["parts"][0]) == {"name", "rows", "bytes", "sha256", "footer_sha256"}
    assert log["schema"][f"gate/{GATE}"].startswith("fixed_size_list<element: float")
    header = json.loads((path / "recording.json").read_text())
    assert header["format_version"] == 2
    assert header["gates"][0]["name"] == GATE


def test_encoding(path: Path) -> None:
    metadata = pq.ParquetFile(path / "data/epoch=3/part-0.parquet").metadata
    columns = {
        metadata.row_group(0).column(i).path_in_schema: metadata.row_group(0).column(i)
        for i in range(metadata.num_columns)
    }
    gate = columns[f"gate/{GATE}.list.element"]
    assert gate.compression == "ZSTD"
    assert "BYTE_STREAM_SPLIT" in gate.encodings
    assert not any("DICTIONARY" in encoding for c in columns.values() for encoding in c.encodings)


def test_plain_pandas_agrees(path: Path, values: dict[int, dict[str, np.ndarray]]) -> None:
    frame = pd.read_parquet(path / "data")
    epoch = frame[frame["epoch"] == 3]
    np.testing.assert_array_equal(
        np.stack(epoch[f"gate/{GATE}"].tolist()), values[3][GATE].astype("f4")
    )
    assert epoch["image"].tolist() == list(range(6))
    assert epoch["label"].tolist() == [0, 1, 2, 0, 1, 2]


def test_plain_polars_agrees(path: Path, values: dict[int, dict[str, np.ndarray]]) -> None:
    epoch = pl.scan_parquet(path / "data").filter(pl.col("epoch") == 3).collect()
    np.testing.assert_array_equal(epoch[f"gate/{GATE}"].to_numpy(), values[3][GATE].astype("f4"))


def test_plain_duckdb_agrees(path: Path, values: dict[int, dict[str, np.ndarray]]) -> None:
    query = f"""select image, "gate/{GATE}" from '{path}/data/*/*.parquet'
                where epoch = 3 order by image"""
    rows = duckdb.connect().execute(query).fetchall()
    np.testing.assert_array_equal([row[1] for row in rows], values[3][GATE].astype("f4"))


def test_our_reader_agrees_and_copies_nothing(
    path: Path, values: dict[int, dict[str, np.ndarray]]
) -> None:
    recording = open_recording(path)
    read = recording.values(GATE, epoch=3)
    np.testing.assert_array_equal(read, values[3][GATE].astype("f4"))
    np.testing.assert_array_equal(recording.inputs(GATE, epoch=3), -read)
    assert not read.flags.owndata
    assert not read.flags.writeable


def test_tables_of_the_reader(path: Path) -> None:
    recording = open_recording(path)
    assert recording.epochs == [0, 3]
    assert recording.gates["name"].tolist() == [GATE, "layer2.gate"]
    assert recording.gates["channels"].tolist() == [4, 3]
    assert recording.images.columns.tolist() == ["image", "label", "prediction"]
    assert recording.images["prediction"].tolist() == [0, 1] * 3
    assert "2 gates, epochs [0, 3]" in repr(recording)


def test_rows_come_sorted_by_image(write_recording: Callable[..., Path]) -> None:
    array = np.arange(6, dtype=np.float32).reshape(3, 2)
    recording = open_recording(write_recording({0: {"g": array}}, images=[7, 5, 9]))
    assert recording.rows(0)["image"].tolist() == [5, 7, 9]
    np.testing.assert_array_equal(recording.values("g", 0), array[[1, 0, 2]])
    assert recording.rows(0)["label"].tolist() == [2, 1, 0]


def test_many_row_groups_are_still_one_array(
    write_recording: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripe.recording.part.ROW_GROUP_BYTES", 1)
    array = np.random.default_rng(0).random((3, 2))
    path = write_recording({0: {"g": array}})
    write_recording({1: {"g": array}}, path=path)
    recording = open_recording(path)
    np.testing.assert_array_equal(recording.values("g", 1), array.astype("f4"))
    assert sum(len(piece["g"]) for piece in recording.scan(1)) == 3
