"""Nothing that is changed, swapped, added or removed comes back as data."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from resealed import reseal, rewrite

from stripe.errors import RecordingError
from stripe.recording import RecordingWriter, open_recording
from stripe.recording.sealed import seal, unseal

ARRAY = np.random.default_rng(0).random((12, 3)).astype(np.float32)


@pytest.fixture
def path(write_recording: Callable[..., Path]) -> Path:
    return write_recording({epoch: {"g": ARRAY + epoch} for epoch in (0, 1, 2)})


def reader_of(path: Path, name: str) -> Callable[[], object]:
    """Return the least that reads a file of a recording, without decoding any Parquet."""
    recording = open_recording(path)
    if name in ("recording.json", "log/head.json"):
        return lambda: open_recording(path)
    return lambda: recording.parts(int(Path(name).stem))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["recording.json", "log/head.json", "log/0.json", "log/2.json"])
def test_every_bit_of_the_json_files_is_covered(path: Path, name: str) -> None:
    """All single flips, each noticed when the recording is read, and blamed on the file."""
    file, read = path / name, reader_of(path, name)
    content = file.read_bytes()
    descriptor = os.open(file, os.O_WRONLY)  # in place: to write the file anew takes longer
    for at, byte in enumerate(content):
        for bit in range(8):
            os.pwrite(descriptor, bytes([byte ^ 1 << bit]), at)
            with pytest.raises(RecordingError) as raised:
                read()
            assert str(raised.value).startswith(f"{file} is damaged"), (at, bit, raised.value)
        if at == len(content) // 2:
            with pytest.raises(RecordingError, match="is damaged"):
                open_recording(path).verify()
        os.pwrite(descriptor, bytes([byte]), at)
    os.close(descriptor)
    assert len(open_recording(path).verify()) == 3


@pytest.mark.parametrize("name", ["recording.json", "log/head.json", "log/1.json"])
def test_every_truncation_is_noticed(path: Path, name: str) -> None:
    file, read = path / name, reader_of(path, name)
    content = file.read_bytes()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        with pytest.raises(RecordingError, match="is damaged"):
            read()
    file.write_bytes(content + b"\n")
    with pytest.raises(RecordingError, match="is damaged"):
        read()


def _swap(path: Path, some: str, other: str) -> None:
    (path / some).rename(path / "aside")
    (path / other).rename(path / some)
    (path / "aside").rename(path / other)


def _swap_epochs(path: Path) -> None:
    _swap(path, "data/epoch=0", "data/epoch=1")
    _swap(path, "log/0.json", "log/1.json")


def _swap_data(path: Path) -> None:
    _swap(path, "data/epoch=0", "data/epoch=1")


def _swap_edited(path: Path) -> None:
    """Swap two epochs with logs that say so, and with a chain and a head that fit."""
    _swap_epochs(path)
    previous = None
    for epoch in (0, 1, 2):
        changed = {"epoch": epoch, "previous": previous}
        previous = reseal(path / f"log/{epoch}.json", partial(_update, changed))
    reseal(path / "log/head.json", lambda head: head.update(last=previous))


def _update(new: dict[str, Any], log: dict[str, Any]) -> None:
    log.update(new)


def _rename(path: Path) -> None:
    (path / "data/epoch=1").rename(path / "data/epoch=7")
    (path / "log/1.json").rename(path / "log/7.json")


def _remove(epoch: int) -> Callable[[Path], None]:
    def remove(path: Path) -> None:
        shutil.rmtree(path / f"data/epoch={epoch}")
        (path / f"log/{epoch}.json").unlink()

    return remove


def _remove_from_head(path: Path) -> None:
    _remove(1)(path)
    reseal(path / "log/head.json", lambda head: head["epochs"].remove(1))


def _remove_last_from_head(path: Path) -> None:
    _remove(2)(path)
    reseal(path / "log/head.json", lambda head: head["epochs"].remove(2))


def _stage(epoch: int) -> Callable[[Path], None]:
    """Move an epoch to where a killed writer leaves one."""

    def stage(path: Path) -> None:
        (path / f"data/epoch={epoch}").rename(path / f"staging/epoch={epoch}")

    return stage


def _twice(path: Path) -> None:
    reseal(path / "log/1.json", lambda log: log.update(parts=log["parts"] * 2, rows=24))


def _elsewhere(path: Path) -> None:
    name = "../epoch=0/part-0.parquet"
    reseal(path / "log/1.json", lambda log: log["parts"][0].update(name=name))


def _other_weights(path: Path) -> None:
    reseal(path / "log/1.json", lambda log: log.update(weights="0" * 64))


def _copy(source: str, target: str) -> Callable[[Path], None]:
    def copy(path: Path) -> None:
        if (path / source).is_dir():
            shutil.copytree(path / source, path / target)
        else:
            shutil.copy(path / source, path / target)

    return copy


def _delete(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).unlink()


@pytest.mark.parametrize(
    ("change", "message", "when_read"),
    [
        (_swap_epochs, r"log/0\.json is the log of epoch 1", True),
        (_swap_data, r"epoch=0/part-0\.parquet", True),
        (_swap_edited, r"epoch=0/part-0\.parquet .*it is of epoch 1", True),
        (_rename, r"epoch=1 is missing, though .*head\.json lists it", True),
        (_remove(0), r"epoch=0 is missing, though .*head\.json lists it", True),
        (_remove(1), r"epoch=1 is missing, though .*head\.json lists it", True),
        (_remove(2), r"epoch=2 is missing, though .*head\.json lists it", True),
        (_remove_from_head, r"log/2\.json does not follow .*log/0\.json", False),
        (_remove_last_from_head, r"log/1\.json does not end the log", False),
        (_stage(0), r"staging/epoch=0 is a recorded epoch, .* move it back to .*epoch=0", True),
        (_stage(1), r"staging/epoch=1 is a recorded epoch, .* move it back to .*epoch=1", True),
        (_twice, r"log/1\.json does not name each part once", True),
        (_elsewhere, r"log/1\.json does not name each part once", True),
        (_other_weights, r"log/2\.json does not follow .*log/1\.json", False),
        (_copy("log/1.json", "log/head.json"), r"head\.json is damaged", True),
        (_copy("log/head.json", "log/1.json"), r"log/1\.json is damaged", True),
        (_copy("log/head.json", "recording.json"), r"recording\.json", True),
        (_copy("log/1.json", "log/5.json"), r"log/5\.json is not of this recording", False),
        (_copy("log/1.json", "log/1 (copy).json"), r"copy\)\.json is not of this rec", False),
        (_copy("data/epoch=1", "data/epoch=5"), r"epoch=5 is not in .*head\.json", True),
        (_copy("data/epoch=1", "data/epoch=x"), r"epoch=x is not of this recording", False),
        (_delete("log/head.json"), r"head\.json is missing", True),
        (_delete("log/1.json"), r"log/1\.json is missing", True),
        (_delete("data/epoch=1/part-0.parquet"), r"epoch=1/part-0\.parquet is missing", False),
    ],
)
def test_tampering_is_noticed(
    path: Path, change: Callable[[Path], None], message: str, when_read: bool
) -> None:
    change(path)
    with pytest.raises(RecordingError, match=message):
        open_recording(path).verify()
    if when_read:
        with pytest.raises(RecordingError):
            _ = [open_recording(path).values("g", epoch) for epoch in open_recording(path).epochs]


def test_an_epoch_in_staging_that_no_writer_left_there_is_kept(path: Path) -> None:
    """The writer refuses before it deletes anything, also what a killed one left there."""
    header = open_recording(path).header
    _stage(1)(path)
    _stage(2)(path)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    for _ in range(2):
        with pytest.raises(RecordingError, match=r"staging/epoch=1 is a recorded epoch"):
            RecordingWriter(path, header)
    assert before.items() <= {f: f.read_bytes() for f in path.rglob("*") if f.is_file()}.items()
    (path / "staging/epoch=1").rename(path / "data/epoch=1")
    with RecordingWriter(path, header) as writer:  # an epoch that a kill left there is dropped
        assert writer.epochs == [0, 1]
    assert open_recording(path).verify()["epoch"].tolist() == [0, 1]
    assert [open_recording(path).values("g", epoch)[0, 0] for epoch in (0, 1)] == [
        ARRAY[0, 0], ARRAY[0, 0] + 1
    ]  # fmt: skip


def test_only_the_last_record_is_dropped(path: Path) -> None:
    log = open_recording(path)._log
    _stage(1)(path)
    with pytest.raises(RecordingError, match=r"staging/epoch=1 is a recorded epoch"):
        log.drop(1)
    assert log.head().epochs == (0, 1, 2)
    assert (path / "staging/epoch=1/part-0.parquet").exists()


def test_two_recordings_of_the_same_settings_do_not_mix(
    path: Path, tmp_path: Path, write_recording: Callable[..., Path]
) -> None:
    again = {epoch: {"g": ARRAY - epoch} for epoch in (0, 1, 2)}
    other = write_recording(again, path=tmp_path / "other")
    assert open_recording(path).header == open_recording(other).header
    shutil.copytree(other / "data/epoch=1", path / "data/epoch=1", dirs_exist_ok=True)
    shutil.copy(other / "log/1.json", path / "log/1.json")
    with pytest.raises(RecordingError, match=r"log/1\.json is of another recording"):
        open_recording(path).values("g", 1)
    with pytest.raises(RecordingError, match=r"log/1\.json is of another recording"):
        open_recording(path).verify()
    shutil.copy(other / "recording.json", path / "recording.json")
    with pytest.raises(RecordingError, match=r"head\.json is not of .*recording\.json"):
        open_recording(path)


def test_a_part_of_another_recording_with_the_same_sizes(
    tmp_path: Path, write_recording: Callable[..., Path]
) -> None:
    """A reader hashes the footer alone, which holds where the pages are and how long."""
    paths = [
        write_recording({0: {"g": np.full((12, 3), value)}}, path=tmp_path / str(value))
        for value in (5.0, 5.5)
    ]
    part, other = (path / "data/epoch=0/part-0.parquet" for path in paths)
    assert part.stat().st_size == other.stat().st_size
    shutil.copy(other, part)
    for read in (lambda r: r.values("g", 0), lambda r: list(r.scan(0)), lambda r: r.verify()):
        with pytest.raises(RecordingError, match=r"part-0\.parquet (is damaged .*footer|changed)"):
            read(open_recording(paths[0]))


def test_a_header_that_was_edited_with_its_seal(path: Path) -> None:
    reseal(path / "recording.json", lambda header: header["gates"][0].update(channels=7))
    with pytest.raises(RecordingError, match=r"head\.json is not of .*recording\.json"):
        open_recording(path)


def _narrow(table: pa.Table) -> pa.Table:
    lists = pa.FixedSizeListArray.from_arrays(pa.array(ARRAY[:, :2].reshape(-1)), 2)
    return table.set_column(table.schema.get_field_index("gate/g"), "gate/g", lists)


def _nulls(table: pa.Table) -> pa.Table:
    kind = pa.list_(pa.float32(), 3)
    lists = pa.array([None, *ARRAY[1:].tolist()], kind)
    return table.set_column(table.schema.get_field_index("gate/g"), "gate/g", lists)


def _repeat(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table.slice(0, 1)])


def _short(table: pa.Table) -> pa.Table:
    return table.drop_columns(["gate/g"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_narrow, r"epoch=0/part-0\.parquet .*other columns|gate/g is"),
        (_nulls, r"epoch=0/part-0\.parquet .*other columns|gate/g is"),
        (_repeat, r"epoch=0 holds image 0"),
        (_short, r"epoch=0/part-0\.parquet"),
    ],
)
def test_rows_that_the_log_and_the_head_vouch_for(
    write_recording: Callable[..., Path], change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    """Other channels than the header says, nulls and an image twice, where the logs fit."""
    path = write_recording({0: {"g": ARRAY}})
    rewrite(path, change)
    recording = open_recording(path)
    with pytest.raises(RecordingError, match=message):
        recording.verify()
    with pytest.raises(RecordingError, match=message):
        recording.values("g", 0)
    if change is not _repeat:
        with pytest.raises(RecordingError, match=message):
            list(recording.scan(0))


def test_nulls_where_the_type_allows_none(
    write_recording: Callable[..., Path],
) -> None:
    """A null row in a column of the right type but nullable is no row that is left out."""

    def nullable(table: pa.Table) -> pa.Table:
        column = table.schema.get_field_index("gate/g")
        kind = table.schema.field(column).type
        return table.set_column(
            column, pa.field("gate/g", kind), pa.array([None, *ARRAY[1:].tolist()], kind)
        )

    path = write_recording({0: {"g": ARRAY}})
    rewrite(path, nullable)
    for read in (lambda r: r.values("g", 0), lambda r: list(r.scan(0)), lambda r: r.verify()):
        with pytest.raises(RecordingError, match=r"epoch=0/part-0\.parquet"):
            read(open_recording(path))


def test_a_sealed_file_says_what_it_held(tmp_path: Path) -> None:
    values = {"ü": [1, None, {"a": "b"}], "sha": "x"}
    content, digest = seal(values)
    (tmp_path / "f.json").write_bytes(content)
    assert unseal(tmp_path / "f.json") == (values, digest)
    assert len(digest) == 64


def test_the_chain_and_the_head(path: Path) -> None:
    log = open_recording(path)._log
    records = [log.record(epoch) for epoch in (0, 1, 2)]
    assert [record.previous for record in records] == [None, records[0].digest, records[1].digest]
    assert log.head() == ((0, 1, 2), records[2].digest)
