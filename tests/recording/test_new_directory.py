"""A writer that fails before its first epoch leaves the directory as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripe.errors import RecordingError
from stripe.recording import Header, RecordedGate, RecordingWriter, new_directory, open_recording

HEADER = Header(
    gates=(RecordedGate(name="g", owner="", owner_class="Gated", channels=2, pooled=False),)
)
OTHER = Header(
    gates=(RecordedGate(name="h", owner="", owner_class="Gated", channels=3, pooled=False),)
)
VALUES = {"gate/g": np.zeros((3, 2), np.float32)}


def fail(path: Path) -> None:
    """Record an image twice."""
    with RecordingWriter(path, HEADER) as writer, writer.epoch(0) as part:
        part.write(np.array([0, 1, 0]), VALUES)


@pytest.mark.parametrize("name", ["r", "some/new/folders/r", "there", "there/r"])
def test_a_failed_first_epoch_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "there").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RecordingError, match="image 0 occurs 2 times"):
        fail(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_error_before_the_first_epoch_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RecordingWriter(tmp_path / "r", HEADER):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_second_attempt_of_the_same_writer(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        with pytest.raises(RecordingError, match="occurs 2 times"), writer.epoch(0) as part:
            part.write(np.array([0, 1, 0]), VALUES)
        with writer.epoch(0) as part:
            part.write(np.arange(3), VALUES)
        with pytest.raises(RecordingError, match="at least one image"), writer.epoch(1):
            pass
    assert open_recording(tmp_path / "r").verify()["epoch"].tolist() == [0]


def test_a_writer_that_comes_between_two_looks_holds_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look: Callable[[Path], set[Path]] = new_directory._listed
    others: list[Any] = []

    def look_late(folder: Path) -> set[Path]:
        if not others:
            others.append(None)
            others[0] = RecordingWriter(tmp_path, HEADER)
        return look(folder)

    monkeypatch.setattr(new_directory, "_listed", look_late)
    with pytest.raises(RecordingError, match="one writer at a time"):
        RecordingWriter(tmp_path, HEADER)
    others[0].close()


def test_what_else_is_in_the_directory_stays(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r", HEADER)
    (tmp_path / "r/data/notes.txt").write_text("mine")
    writer.__exit__(ValueError, ValueError(), None)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["notes.txt"]


def test_a_failure_in_a_recording_leaves_its_epochs(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", HEADER) as writer, writer.epoch(1) as part:
        part.write(np.arange(3), VALUES)
    before = {p: p.read_bytes() for p in (tmp_path / "r").rglob("*.json")}
    with pytest.raises(RecordingError, match="occurs 2 times"):
        fail(tmp_path / "r")
    assert {p: p.read_bytes() for p in (tmp_path / "r").rglob("*.json")} == before
    assert open_recording(tmp_path / "r").verify()["epoch"].tolist() == [1]


def test_a_recording_without_epochs_claims_nothing(tmp_path: Path) -> None:
    """One that was killed in its first epoch; another network may have the directory."""
    RecordingWriter(tmp_path / "r", OTHER).close()
    assert open_recording(tmp_path / "r").epochs == []
    with RecordingWriter(tmp_path / "r", HEADER) as writer, writer.epoch(0) as part:
        part.write(np.arange(3), VALUES)
    assert open_recording(tmp_path / "r").gates["name"].tolist() == ["g"]
    assert len(open_recording(tmp_path / "r").verify()) == 1


def test_a_header_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stripe.recording.writer.write_whole", full)
    with pytest.raises(RecordingError, match="No space left on device"):
        RecordingWriter(tmp_path / "r", HEADER)
    assert not list(tmp_path.iterdir())
