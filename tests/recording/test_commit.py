"""The commit protocol: an epoch is there whole or not at all, whenever the writer dies."""

import threading
from pathlib import Path

import numpy as np
import pytest

from stripe.errors import RecordingError
from stripe.recording import Header, RecordedGate, RecordingWriter, open_recording
from stripe.recording.log import Log
from stripe.recording.new_directory import NewDirectory

HEADER = Header(
    gates=(RecordedGate(name="g", owner="", owner_class="Gated", channels=64, pooled=False),)
)


@pytest.mark.parametrize(
    "point", ["writer.sync", "writer.check_images", "log.write_whole", "log.Log._write_head"]
)
def test_an_exception_during_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        _write(writer, 0)
        with monkeypatch.context() as patch:
            patch.setattr(f"stripe.recording.{point}", _fail)
            with pytest.raises(KeyboardInterrupt):
                _write(writer, 1)
        assert open_recording(tmp_path / "r").verify()["epoch"].tolist() == [0]
        _write(writer, 1)
    assert open_recording(tmp_path / "r").verify()["epoch"].tolist() == [0, 1]


def test_between_the_log_and_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log without its epoch is no epoch; the next writer discards both halves."""
    writer = RecordingWriter(tmp_path / "r", HEADER)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", _fail)
        patch.setattr(Log, "drop", lambda self, epoch: None)  # as if killed
        with pytest.raises(KeyboardInterrupt):
            _write(writer, 0)
        patch.setattr(NewDirectory, "undo", lambda self: None)
        writer.close()
    assert (tmp_path / "r/log/0.json").exists()
    assert (tmp_path / "r/staging/epoch=0").exists()
    recording = open_recording(tmp_path / "r")
    assert recording.epochs == []
    assert len(recording.verify()) == 0
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        assert not (tmp_path / "r/log/0.json").exists()
        assert not list((tmp_path / "r/staging").iterdir())
        _write(writer, 0)
    assert open_recording(tmp_path / "r").verify()["epoch"].tolist() == [0]


def test_several_processes_write_one_epoch(tmp_path: Path) -> None:
    """Threads stand for ranks: the writer knows them only by rank and barrier."""
    barrier = threading.Barrier(3, timeout=20)

    def wait() -> None:
        barrier.wait()

    def rank(number: int) -> None:
        with RecordingWriter(
            tmp_path / "r", HEADER, rank=number, processes=3, barrier=wait
        ) as writer:
            _write(writer, 0, images=np.arange(number, 10, 3))

    threads = [threading.Thread(target=rank, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recording = open_recording(tmp_path / "r")
    assert len(recording.verify()) == 3
    assert recording.rows(0)["image"].tolist() == list(range(10))
    np.testing.assert_array_equal(recording.values("g", 0)[:, 0], np.arange(10))
    assert sum(len(piece["g"]) for piece in recording.scan(0)) == 10


def test_a_rank_that_never_comes_fails_the_epoch(tmp_path: Path) -> None:
    def timed_out() -> None:
        if (tmp_path / "r/staging/epoch=0/part-0.json").exists():
            raise RecordingError("a process did not finish in time")

    with (
        RecordingWriter(tmp_path / "r", HEADER, processes=2, barrier=timed_out) as writer,
        pytest.raises(RecordingError, match="did not finish in time"),
    ):
        _write(writer, 0)
    assert not list(tmp_path.iterdir())


def _write(writer: RecordingWriter, epoch: int, images: np.ndarray | None = None) -> None:
    index = np.arange(10) if images is None else images
    values = np.repeat(index[:, None], 64, axis=1).astype(np.float32)
    with writer.epoch(epoch) as part:
        part.write(index, {"gate/g": values})


def _fail(*args: object) -> None:
    raise KeyboardInterrupt
