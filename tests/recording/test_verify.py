"""What `verify` says while a writer is at work, and of folders that are not as they should be."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripe.errors import RecordingError
from stripe.recording import Header, RecordedGate, RecordingWriter, open_recording
from stripe.recording import verify as verification
from stripe.recording.layout import Layout
from stripe.recording.log import Log

HEADER = Header(
    gates=(RecordedGate(name="g", owner="", owner_class="Gated", channels=2, pooled=False),)
)


def commit(writer: RecordingWriter) -> None:
    epoch = max(writer.epochs, default=-1) + 1
    with writer.epoch(epoch) as part:
        part.write(np.arange(3), {"gate/g": np.full((3, 2), epoch, np.float32)})


def discard(writer: RecordingWriter) -> None:
    writer.discard(writer.epochs[-1])


def replace(writer: RecordingWriter) -> None:
    discard(writer)
    commit(writer)


@contextmanager
def acting_at(step: int, act: Callable[[], None]) -> Iterator[list[str]]:
    """Call `act` before the given look at the disk that the code under test takes."""
    looks: list[str] = []
    acting = False
    places: list[tuple[Any, str]] = [
        *((Layout, name) for name in ("epochs", "being_moved", "logged")),
        *((Log, name) for name in ("head", "record")),
        *((Path, name) for name in ("iterdir", "glob", "exists", "is_dir")),
        (verification, "_checked"),
    ]

    def looking(call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def look(*args: Any, **options: Any) -> Any:
            nonlocal acting
            if not acting:
                looks.append(name)
                if len(looks) == step:
                    acting = True
                    act()
                    acting = False
            return call(*args, **options)

        return look

    with pytest.MonkeyPatch.context() as patch:
        for where, name in places:
            patch.setattr(where, name, looking(getattr(where, name), name))
        yield looks


@pytest.mark.slow
@pytest.mark.parametrize("act", [commit, discard, replace])
def test_a_writer_may_act_before_any_step_of_verify(
    act: Callable[[RecordingWriter], None], tmp_path: Path
) -> None:
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        for _ in range(3):
            commit(writer)
        for step in itertools.count(1):
            recording = open_recording(tmp_path / "r")
            with acting_at(step, lambda: act(writer)) as looks:
                table = recording.verify()
            assert table["epoch"].tolist() in ([0, 1, 2], [0, 1, 2, 3], [0, 1])
            if len(looks) < step:
                break
            while len(writer.epochs) > 2:
                discard(writer)
            commit(writer)
    assert step > 20


def test_damage_is_named_however_fast_the_writer_is(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        for _ in range(2):
            commit(writer)
        (tmp_path / "r/data/epoch=0/part-0.parquet").write_bytes(b"")
        recording, looked = open_recording(tmp_path / "r"), Log.committed

        def writing(log: Log) -> list[int]:
            commit(writer)
            return looked(log)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Log, "committed", writing)
            with pytest.raises(RecordingError, match=r"epoch=0/part-0\.parquet must have"):
                recording.verify()


@pytest.mark.parametrize("name", ["data", "data/epoch=0"])
@pytest.mark.parametrize("put", [None, "file"])
def test_a_folder_that_is_missing_or_a_file(name: str, put: str | None, tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        commit(writer)
    recording = open_recording(tmp_path / "r")
    shutil.rmtree(tmp_path / "r" / name)
    if put:
        (tmp_path / "r" / name).write_text("")
    with pytest.raises(RecordingError, match=rf"r/{name}.* (missing|not a readable folder)"):
        recording.verify()
