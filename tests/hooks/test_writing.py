"""How a Recorder writes its rows: on a thread of its own, or between forward passes."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stripe import Recorder, open_recording
from stripe.errors import RecordingError
from stripe.recording.part import PartWriter


@pytest.fixture(params=[False, True], ids=["no free core", "a free core"])
def free(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether this process has a core more than torch has threads."""
    cores = torch.get_num_threads() + request.param
    monkeypatch.setattr("stripe.modules.cores.usable_cores", lambda: cores)
    found: bool = request.param
    return found


@pytest.fixture
def recorder(small_model: nn.Sequential, images: Tensor, tmp_path: Path) -> Iterator[Recorder]:
    with Recorder(small_model, tmp_path / "r", images) as made:
        yield made


def test_a_thread_writes_only_where_a_core_is_free(
    recorder: Recorder, images: Tensor, monkeypatch: pytest.MonkeyPatch, free: bool
) -> None:
    writing: set[str] = set()
    write = PartWriter.write

    def noting(*args: Any, **kwargs: Any) -> None:
        writing.add(threading.current_thread().name)
        write(*args, **kwargs)

    monkeypatch.setattr(PartWriter, "write", noting)
    recorder.record([images[:4], images[4:]], epoch=0)
    assert writing == ({"stripe-writer"} if free else {threading.current_thread().name})
    assert open_recording(recorder.writer.layout.root).images["image"].tolist() == [*range(10)]


@pytest.mark.usefixtures("free")
def test_a_failing_disk_stops_the_model(
    recorder: Recorder, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", fail)
    monkeypatch.setattr("stripe.recording.part.ROW_GROUP_BYTES", 1)
    with pytest.raises(RecordingError, match=r"cannot write .*part-0\.parquet: No space left"):
        recorder.record([images] * 50, epoch=0)
    assert not any(module._forward_hooks for module in recorder.model.modules())
