"""Bad input gets an error that names the file, and loses nothing."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripe.errors import RecordingError, StripeError, UnknownNameError
from stripe.recording import Header, RecordedGate, RecordingWriter, open_recording

HEADER = Header(
    gates=(RecordedGate(name="g", owner="", owner_class="Gated", channels=2, pooled=False),)
)
ARRAY = np.random.default_rng(0).random((300, 2)).astype(np.float32)


@pytest.fixture
def path(write_recording: Callable[..., Path]) -> Path:
    return write_recording({0: {"g": ARRAY}, 1: {"g": ARRAY}})


def test_unknown_gate_and_epoch(path: Path) -> None:
    recording = open_recording(path)
    with pytest.raises(UnknownNameError, match="has no recorded gate 'h'; it has: g"):
        recording.values("h", 0)
    with pytest.raises(RecordingError, match="holds no epoch 7; recorded: 0, 1"):
        recording.values("g", 7)


def test_no_recording_or_another_version(tmp_path: Path, path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no recording at .*: there is no such directory"):
        open_recording(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingError, match=r"no recording at .*recording\.json is missing"):
        open_recording(tmp_path / "empty")
    header = path / "recording.json"
    header.write_text('{"format_version": 9}')
    with pytest.raises(RecordingError, match="must have format version 1 or 2, got 9"):
        open_recording(path)
    header.write_text("{")
    with pytest.raises(RecordingError, match=r"recording\.json is damaged and cannot be read"):
        open_recording(path)


def test_what_was_not_recorded(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", HEADER) as writer, writer.epoch(0) as part:
        part.write(np.arange(300), {"gate/g": ARRAY})
    recording = open_recording(tmp_path / "r")
    assert recording.images["label"].isna().all()
    with pytest.raises(RecordingError, match="holds no pooled inputs of 'g'"):
        recording.inputs("g", 0)
    with pytest.raises(RecordingError, match="'g' is not a spatial map"):
        recording.spatial("g", 0)


def test_every_flipped_byte_is_noticed_or_harmless(path: Path) -> None:
    part = path / "data/epoch=1/part-0.parquet"
    content = part.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.choice(len(content), 200, replace=False):
        damaged = bytearray(content)
        damaged[position] ^= 1 << rng.integers(8)
        part.write_bytes(damaged)
        with pytest.raises(RecordingError, match=r"epoch=1/part-0\.parquet changed"):
            open_recording(path).verify()
        try:
            values = open_recording(path).values("g", 1)
        except RecordingError as error:
            assert "epoch=1/part-0.parquet" in str(error)  # noqa: PT017 - either is right
        else:
            np.testing.assert_array_equal(values, ARRAY)


def test_truncated_missing_and_foreign_files_are_named(path: Path) -> None:
    part = path / "data/epoch=1/part-0.parquet"
    content = part.read_bytes()
    part.write_bytes(content[:-100])
    with pytest.raises(RecordingError, match=r"epoch=1/part-0\.parquet is damaged or missing"):
        open_recording(path).values("g", 1)
    with pytest.raises(RecordingError, match=r"part-0\.parquet must have .* bytes, has"):
        open_recording(path).verify()
    part.unlink()
    with pytest.raises(RecordingError, match=r"epoch=1/part-0\.parquet is missing"):
        open_recording(path).verify()
    part.write_bytes(content)
    assert len(open_recording(path).verify()) == 2
    part.with_name("part-9.parquet").write_bytes(content)
    with pytest.raises(RecordingError, match=r"part-9\.parquet is not in the log"):
        open_recording(path).verify()


def test_missing_epochs_and_logs_are_named(path: Path) -> None:
    log = path / "log/0.json"
    text = log.read_text()
    log.unlink()
    with pytest.raises(RecordingError, match=r"log/0\.json is missing"):
        open_recording(path).verify()
    log.write_text("[]")
    with pytest.raises(RecordingError, match=r"log/0\.json is damaged"):
        open_recording(path).verify()
    log.write_text(text)
    (path / "data/epoch=0").rename(path / "elsewhere")
    with pytest.raises(RecordingError, match="data/epoch=0 is missing"):
        _ = open_recording(path).epochs
    with pytest.raises(RecordingError, match="data/epoch=0 is missing"):
        open_recording(path).verify()


def test_what_somebody_keeps_in_a_recording_stays(write_recording: Any, tmp_path: Path) -> None:
    """A writer that opens a recording clears what a killed one left, by its names."""
    path = write_recording({0: {"g": np.zeros((2, 4), np.float32)}})
    mine = ["thesis.draft", "log/notes.draft", "staging/my-best/a", "staging/epoch=best/a"]
    left = ["recording.json.draft", "log/7.json.draft", "staging/epoch=7/part-0.parquet"]
    for name in (*mine, *left):
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("dear")
    with RecordingWriter(path, open_recording(path).header):
        pass
    assert all((path / name).read_text() == "dear" for name in mine)
    assert not any((path / name).exists() for name in left)


@pytest.mark.parametrize("name", ["staging", "log", "data"])
def test_nothing_is_deleted_through_a_link(name: str, write_recording: Any, tmp_path: Path) -> None:
    path = write_recording({0: {"g": np.zeros((2, 4), np.float32)}})
    header = open_recording(path).header
    (path / name).rename(tmp_path / "thesis")
    (tmp_path / "thesis" / "7.json.draft").write_text("dear")
    (path / name).symlink_to(tmp_path / "thesis")
    with pytest.raises(StripeError, match=f"{name} is a link"):
        RecordingWriter(path, header)
    assert (tmp_path / "thesis" / "7.json.draft").read_text() == "dear"


def test_an_epoch_that_is_a_link_is_not_continued(write_recording: Any, tmp_path: Path) -> None:
    path = write_recording({0: {"g": np.zeros((2, 4), np.float32)}})
    header = open_recording(path).header
    (path / "data/epoch=0").rename(tmp_path / "elsewhere")
    (path / "data/epoch=0").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StripeError, match="epoch=0 is a link"):
        RecordingWriter(path, header)
    assert (tmp_path / "elsewhere/part-0.parquet").is_file()


@pytest.mark.parametrize("name", ["head.json", "3.json"])
def test_nothing_is_written_through_a_draft_with_a_second_name(
    name: str, write_recording: Any, tmp_path: Path
) -> None:
    path = write_recording({0: {"g": np.zeros((2, 4), np.float32)}})
    thesis = tmp_path / "thesis"
    thesis.write_text("years of work")
    with RecordingWriter(path, open_recording(path).header) as writer:
        (path / f"log/{name}.draft").hardlink_to(thesis)
        with writer.epoch(3) as part:
            zeros = np.zeros((2, 4), np.float32)
            part.write(np.arange(2), {"gate/g": zeros, "input/g": zeros})
    assert thesis.read_text() == "years of work"
    assert len(open_recording(path).verify()) == 2


def test_a_folder_that_only_looks_like_a_recording_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging/thesis.tex").write_text("dear")
    with pytest.raises(RecordingError, match="holds staging"):
        RecordingWriter(tmp_path, HEADER)
    assert (tmp_path / "staging/thesis.tex").read_text() == "dear"


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("epoch", [1.5, "x", -1, 10**18])
def test_an_epoch_is_a_whole_number(tmp_path: Path, epoch: Any) -> None:
    with (
        RecordingWriter(tmp_path / "r", HEADER) as writer,
        pytest.raises(RecordingError, match="an epoch is"),
    ):
        writer.epoch(epoch).__enter__()
    with RecordingWriter(tmp_path / "r", HEADER) as writer, writer.epoch(np.int64(3)) as part:
        part.write(np.arange(300), {"gate/g": ARRAY})
    assert open_recording(tmp_path / "r").epochs == [3]


def test_the_lock_is_free_even_if_a_fork_holds_the_file(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r", HEADER)
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(20,))
    child.start()
    writer.close()
    RecordingWriter(tmp_path / "r", HEADER).close()
    child.kill()
    child.join()


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(RecordingError, match=r"new or empty directory.*holds thesis\.tex"):
        RecordingWriter(tmp_path, HEADER)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(RecordingError, match="is a file"):
        RecordingWriter(tmp_path / "thesis.tex", HEADER)


def test_other_gates_are_refused(path: Path) -> None:
    with pytest.raises(RecordingError, match="records other gates"):
        RecordingWriter(path, HEADER)


def test_an_epoch_is_not_recorded_twice(path: Path) -> None:
    with (
        RecordingWriter(path, open_recording(path).header) as writer,
        pytest.raises(RecordingError, match="holds epoch 1 already and is append-only"),
        writer.epoch(1),
    ):
        pass
    assert open_recording(path).epochs == [0, 1]


@pytest.mark.parametrize(
    ("images", "message"),
    [([3, 4, 3], "image 3 occurs 2 times"), ([], "at least one image")],
)
def test_an_epoch_has_every_image_once(tmp_path: Path, images: list[int], message: str) -> None:
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        with pytest.raises(RecordingError, match=message), writer.epoch(0) as part:
            part.write(np.array(images, np.int64), {"gate/g": ARRAY[: len(images)]})
        assert writer.epochs == []
        with writer.epoch(0) as part:
            part.write(np.arange(3), {"gate/g": ARRAY[:3]})
    assert len(open_recording(tmp_path / "r").verify()) == 1


def test_wrong_shapes_are_refused(tmp_path: Path) -> None:
    with (
        RecordingWriter(tmp_path / "r", HEADER) as writer,
        pytest.raises(RecordingError, match=r"'gate/g' must have shape \(2, 2\), got shape \(2, 1"),
        writer.epoch(0) as part,
    ):
        part.write(np.arange(2), {"gate/g": ARRAY[:2, :1]})


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with (
        RecordingWriter(tmp_path / "r", HEADER),
        pytest.raises(RecordingError, match=f"process {os.getpid()} is writing"),
    ):
        RecordingWriter(tmp_path / "r", HEADER)
    RecordingWriter(tmp_path / "r", HEADER).close()


def test_a_closed_writer_does_not_write(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r", HEADER)
    writer.close()
    with pytest.raises(RecordingError, match="is closed"), writer.epoch(0):
        pass


def full(*args: object, **options: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "call", ["pyarrow.parquet.ParquetWriter", "pyarrow.parquet.ParquetWriter.write_table",
             "pyarrow.parquet.ParquetWriter.close", "pathlib.Path.mkdir", "stripe.files.os.fsync",
             "pathlib.Path.write_text", "pathlib.Path.replace"],
)  # fmt: skip
def test_a_full_disk_is_one_line(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        with writer.epoch(0) as part:
            part.write(np.arange(300), {"gate/g": ARRAY})
        with monkeypatch.context() as patch:
            patch.setattr(call, full)
            with (
                pytest.raises(RecordingError, match=r"cannot write .*: No space left on device"),
                writer.epoch(1) as part,
            ):
                part.write(np.arange(300), {"gate/g": ARRAY})
        with writer.epoch(1) as part:
            part.write(np.arange(300), {"gate/g": ARRAY})
    assert open_recording(tmp_path / "r").verify()["epoch"].tolist() == [0, 1]


def test_a_full_disk_under_moments_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = Header(gates=HEADER.gates, per_image=False)
    monkeypatch.setattr(np, "save", full)
    with (
        RecordingWriter(tmp_path / "r", header) as writer,
        pytest.raises(RecordingError, match=r"cannot write .*: No space left on device"),
        writer.epoch(0) as part,
    ):
        part.write_moments(np.arange(3), {"gate/g": np.ones((4, 2))})


ROOT = Path(__file__).parents[2]

READ_ONLY = """
import os, sys
from stripe.recording import Header, RecordedGate, RecordingWriter
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
gate = RecordedGate(name="g", owner="", owner_class="Gated", channels=2)
try:
    RecordingWriter(sys.argv[1], Header(gates=(gate,)))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_read_only_directory() -> None:
    """As a user without rights: root may write anywhere."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        for target in (folder, f"{folder}/new"):
            command = [sys.executable, "-c", READ_ONLY, target]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
            said = f"RecordingError cannot write {target}: Permission denied"
            assert done.stdout.startswith(said), done.stdout + done.stderr
        assert not list(Path(folder).iterdir())
