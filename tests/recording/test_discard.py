"""Epochs that go again, and writers that die at any step of it."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripe import files
from stripe.errors import RecordingError
from stripe.recording import Header, RecordedGate, RecordingWriter, log, open_recording, writer

HEADER = Header(
    gates=(RecordedGate(name="g", owner="", owner_class="Gated", channels=4, pooled=False),)
)


class Died(BaseException):
    """Stands for the end of the process."""


@contextmanager
def dying_at(step: int) -> Iterator[list[str]]:
    """Let every change of the disk fail from the given one on, as if the process had died."""
    done: list[str] = []
    places: list[tuple[Any, str]] = [
        (Path, "rename"), (Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (Path, "rmdir"),
        (Path, "write_bytes"), (Path, "write_text"), (shutil, "rmtree"),
        (files, "sync"), (writer, "sync"), (log, "sync"),
    ]  # fmt: skip

    def dying(call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def act(*args: Any, **options: Any) -> Any:
            if len(done) >= step:
                raise Died
            done.append(name)
            return call(*args, **options)

        return act

    with pytest.MonkeyPatch.context() as patch:
        for where, name in places:
            patch.setattr(where, name, dying(getattr(where, name), name))
        yield done


def write(writer: RecordingWriter, epoch: int, value: float | None = None) -> None:
    with writer.epoch(epoch, weights=f"weights {epoch}") as part:
        values = np.full((5, 4), epoch if value is None else value, np.float32)
        part.write(np.arange(5), {"gate/g": values})


def test_the_last_epochs_go_and_the_log_goes_on(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        for epoch in (0, 1, 2, 3):
            write(writer, epoch)
        writer.discard(2)
        assert writer.epochs == [0, 1]
        write(writer, 2, value=9)
        with pytest.raises(RecordingError, match="holds no epoch 7 to discard"):
            writer.discard(7)
    recording = open_recording(tmp_path / "r")
    assert recording.verify()["epoch"].tolist() == [0, 1, 2]
    assert (recording.values("g", 2) == 9).all()
    assert recording.weights(2) == "weights 2"
    assert sorted(path.name for path in (tmp_path / "r/log").iterdir()) == [
        "0.json", "1.json", "2.json", "head.json"
    ]  # fmt: skip
    assert not list((tmp_path / "r/staging").iterdir())


def test_after_means_after_in_time(tmp_path: Path) -> None:
    """Epoch 5 was recorded before epoch 1, so it stays when that goes."""
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        for epoch in (5, 1, 3):
            write(writer, epoch)
        writer.discard(1)
        assert writer.epochs == [5]
        writer.discard(5)
        assert writer.epochs == []
    assert len(open_recording(tmp_path / "r").verify()) == 0


@pytest.mark.slow
@pytest.mark.parametrize("action", ["commit", "discard", "begin"])
def test_a_writer_may_die_at_any_step(tmp_path: Path, action: str) -> None:
    """Readers find a whole recording at once, and the next writer goes on."""
    writer: RecordingWriter | None
    step, finished = 0, False
    while not finished:
        path = tmp_path / f"{action}-{step}"
        if action != "begin":
            with RecordingWriter(path, HEADER) as writer:
                write(writer, 0)
                write(writer, 1)
        writer = None
        try:
            with dying_at(step) as done:
                writer = RecordingWriter(path, HEADER)
                if action == "discard":
                    writer.discard(1)
                else:
                    write(writer, 2)
            finished = True
            writer.close()
        except Died:
            assert len(done) == step
        if (path / "recording.json").exists():
            recording = open_recording(path)
            found = recording.verify()["epoch"].tolist()
            assert found == recording.epochs
            assert found in {
                "commit": ([0, 1], [0, 1, 2]), "discard": ([0, 1], [0]), "begin": ([], [2])
            }[action]  # fmt: skip
        _release(writer)
        with RecordingWriter(path, HEADER) as writer:
            write(writer, 3)
            there = writer.epochs
        assert open_recording(path).verify()["epoch"].tolist() == there
        assert not list((path / "staging").iterdir())
        step += 1
    assert step > 15


@pytest.mark.parametrize("discards", [False, True])
def test_readers_do_not_mistake_a_writer_for_damage(tmp_path: Path, discards: bool) -> None:
    """Epochs come, and go, while a reader looks; `verify` reads a recording that grows."""
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        write(writer, 0)

        def work() -> None:
            for epoch in range(1, 25):
                write(writer, epoch)
                if discards:
                    writer.discard(epoch)

        thread = threading.Thread(target=work)
        thread.start()
        looks = 0
        while thread.is_alive():
            recording = open_recording(tmp_path / "r")
            epochs = recording.epochs if discards else recording.verify()["epoch"].tolist()
            assert epochs[0] == 0
            assert len(epochs) <= 2 if discards else epochs == list(range(len(epochs)))
            looks += 1
        thread.join()
    assert looks > 10
    assert open_recording(tmp_path / "r").epochs == list(range(1 if discards else 25))


def _release(writer: RecordingWriter | None) -> None:
    """Let the lock of a writer that died go, as the system does."""
    if writer is not None and writer._lock is not None:
        writer._lock.release()
        writer._lock = None
