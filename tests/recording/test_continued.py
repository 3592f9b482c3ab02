"""What a recording may be continued with; and recordings of format version 1, written by 0.1.0."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stripe.errors import RecordingError
from stripe.recording import Header, RecordedGate, RecordingWriter, open_recording
from stripe.recording.log import Log

HEADER = Header(
    gates=(RecordedGate(name="g", owner="", owner_class="Gated", channels=2, pooled=False),),
    model="net",
    model_class="Net",
    dataset="squares",
    seed=3,
    input_shape=(1, 8, 8),
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"gates": (replace(HEADER.gates[0], owner_class="Other"),)},
            "records other gates .the same names with other classes, shapes, kinds or inputs=",
        ),
        ({"model": "other"}, "with the model 'net' that it began with, got 'other'"),
        ({"model_class": "Other"}, "with the model class 'Net' that it began with, got 'Other'"),
        ({"dataset": "circles"}, "with the data set 'squares' that it began with, got 'circles'"),
        ({"seed": 4}, "with the seed 3 that it began with, got 4"),
        ({"input_shape": (1, 9, 9)}, r"with the image shape \(1, 8, 8\) that .* got \(1, 9, 9\)"),
    ],
)
def test_another_network_or_other_images_are_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with RecordingWriter(tmp_path / "r", HEADER) as writer, writer.epoch(0) as part:
        part.write(np.arange(1), {"gate/g": np.zeros((1, 2), np.float32)})
    with pytest.raises(RecordingError, match=message):
        RecordingWriter(tmp_path / "r", replace(HEADER, **change))  # type: ignore[arg-type]
    RecordingWriter(tmp_path / "r", replace(HEADER, versions={"torch": "9"})).close()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a copy of a recording of format version 1, of epochs 0 and 3."""
    return Path(shutil.copytree(Path(__file__).parent / "format_1", tmp_path / "old"))


def _version(path: Path) -> object:
    return json.loads((path / "recording.json").read_text())["format_version"]


def test_format_1_opens_verifies_and_reads(old: Path) -> None:
    recording = open_recording(old)
    assert recording.epochs == [0, 3]
    assert recording.header.dataset == "squares"
    assert recording.verify()["rows"].tolist() == [5, 5]
    expected = np.arange(20, dtype=np.float32).reshape(5, 4) / 20
    np.testing.assert_array_equal(recording.values("layer1.gate", 3), expected + 3)
    np.testing.assert_array_equal(recording.inputs("layer1.gate", 0), -expected)
    assert recording.spatial("map", 0).shape == (5, 2, 3)
    assert recording.weights(3) is None
    assert _version(old) == 1  # readers leave it as it is


def _record(path: Path, epoch: int) -> None:
    header = replace(open_recording(path).header, model_class="Toy")
    with RecordingWriter(path, header) as writer, writer.epoch(epoch, weights="w") as part:
        columns = {"gate/layer1.gate": (5, 4), "input/layer1.gate": (5, 4), "spatial/map": (5, 6)}
        vectors = {name: np.zeros(shape, np.float32) for name, shape in columns.items()}
        part.write(np.arange(5), vectors)


def test_format_1_is_sealed_when_it_is_continued(old: Path) -> None:
    before = open_recording(old).values("layer1.gate", 3)
    _record(old, 5)
    recording = open_recording(old)
    assert _version(old) == 2
    assert recording.verify()["epoch"].tolist() == [0, 3, 5]
    np.testing.assert_array_equal(recording.values("layer1.gate", 3), before)
    assert [recording.weights(epoch) for epoch in (0, 3, 5)] == [None, None, "w"]
    assert recording.header.model_class == "Toy"
    assert len(pd.read_parquet(old / "data")) == 15
    log = old / "log/0.json"
    log.write_text(log.read_text().replace('"epoch": 0', '"epoch": 8'))
    with pytest.raises(RecordingError, match=r"log/0\.json is damaged"):
        recording.verify()


def test_a_damaged_recording_is_not_sealed(old: Path) -> None:
    part = old / "data/epoch=0/part-0.parquet"
    content = bytearray(part.read_bytes())
    content[100] ^= 4
    part.write_bytes(content)
    with pytest.raises(RecordingError, match=r"epoch=0/part-0\.parquet changed"):
        _record(old, 5)
    assert _version(old) == 1
    assert open_recording(old).epochs == [0, 3]


@pytest.mark.parametrize("appended", [0, 1, 2])
def test_sealing_may_die_and_starts_again(
    old: Path, monkeypatch: pytest.MonkeyPatch, appended: int
) -> None:
    append, count = Log.append, iter(range(9))

    def die(log: Log, *args: object, **options: object) -> None:
        if next(count) == appended:
            raise KeyboardInterrupt
        append(log, *args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Log, "append", die)
        with pytest.raises(KeyboardInterrupt):
            _record(old, 5)
    recording = open_recording(old)
    assert recording.verify()["epoch"].tolist() == [0, 3]
    _record(old, 5)
    assert open_recording(old).verify()["epoch"].tolist() == [0, 3, 5]
