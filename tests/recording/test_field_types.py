"""What a recording that anybody may have made holds in place of what it must: one line each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resealed import reseal

from stripe.errors import RecordingError
from stripe.recording import Gate, Header, RecordedGate, RecordingWriter, open_recording
from stripe.recording.sealed import seal

pytestmark = pytest.mark.usefixtures("as_a_user")

GATE = RecordedGate(name="g", owner="", owner_class="Gated", channels=2, pooled=False)
HEADER = Header(gates=(GATE,))
HALF_PAIR = "\ud800"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with RecordingWriter(tmp_path / "r", HEADER) as writer:
        for epoch in (0, 1):
            with writer.epoch(epoch) as part:
                part.write(np.arange(2), {"gate/g": np.ones((2, 2), np.float32)})
    return tmp_path / "r"


def refused(path: Path, match: str) -> None:
    """Whoever reads or continues the recording gets an error of one line that names a file."""
    for use in (
        lambda: open_recording(path).verify(),
        lambda: open_recording(path).values("g", 1),
        lambda: RecordingWriter(path, HEADER),
    ):
        with pytest.raises(RecordingError, match=match) as raised:
            use()
        assert "\n" not in str(raised.value)


OF_GATES: dict[str, list[Any]] = {
    "name": [None, 3, HALF_PAIR],
    "channels": ["x", None, -1, 0, 2.0, 10**30, True],
    "pooled": ["x", 1],
    "spatial": [3, ["a", 1], [1, 2, 3], [-1, 2]],
    "consumers": [3, [3]],
    "kind": [3],
    "groups": ["x", 0],
    "extra": [1],
}
OF_HEADER: dict[str, list[Any]] = {
    "format_version": [True, 1.0, "2", None],
    "gates": [None, 3, {"a": 1}, [3], [{}]],
    "model": [3, None, HALF_PAIR],
    "seed": ["x", 1.5, True],
    "per_image": [3],
    "input_shape": [3, "ab", ["x"]],
    "versions": [3, {"a": 1}],
    "extra": [1],
}
OF_LOG: dict[str, list[Any]] = {
    "epoch": ["1", None, 1.0, True],
    "rows": ["x", None, 2.0],
    "schema": [None, [], {"a": 1}],
    "parts": [None, 3, [3], [{}]],
    "weights": [3],
    "extra": [1],
}
OF_PARTS: dict[str, list[Any]] = {
    "rows": [None, "x", 2.0, True],
    "bytes": [None, "x"],
    "sha256": [None, 1],
    "name": [None, "../part-0.parquet"],
}


def cases(values: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(key, value, id=ascii((key, value)))
        for key, listed in values.items()
        for value in listed
    ]


def change_header(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the header, with a log that fits."""
    digest = reseal(path / "recording.json", change)
    for name in ("head", "0", "1"):
        reseal(path / f"log/{name}.json", lambda values: values.update(header=digest))


@pytest.mark.parametrize(("key", "value"), cases(OF_GATES))
def test_gates_of_another_form(path: Path, key: str, value: Any) -> None:
    change_header(path, lambda header: header["gates"][0].update({key: value}))
    refused(path, r"recording\.json")


@pytest.mark.parametrize(("key", "value"), cases(OF_HEADER))
def test_headers_of_another_form(path: Path, key: str, value: Any) -> None:
    values = json.loads((path / "recording.json").read_text())
    del values["sha256"]
    (path / "recording.json").write_bytes(seal(values | {key: value}).content)
    refused(path, r"recording\.json")


@pytest.mark.parametrize(("key", "value"), cases(OF_LOG))
def test_log_records_of_another_form(path: Path, key: str, value: Any) -> None:
    last = reseal(path / "log/1.json", lambda log: log.update({key: value}))
    reseal(path / "log/head.json", lambda head: head.update(last=last))
    for use in (open_recording(path).verify, lambda: open_recording(path).values("g", 1)):
        with pytest.raises(RecordingError, match=r"log/1\.json"):
            use()


@pytest.mark.parametrize(("key", "value"), cases(OF_PARTS))
def test_parts_of_another_form(path: Path, key: str, value: Any) -> None:
    last = reseal(path / "log/1.json", lambda log: log["parts"][0].update({key: value}))
    reseal(path / "log/head.json", lambda head: head.update(last=last))
    with pytest.raises(RecordingError, match=r"log/1\.json"):
        open_recording(path).verify()


@pytest.mark.parametrize("value", [None, 3, "ab", [["x"]], ["x"], [True], [0.0, 1.0], {"a": 1}])
def test_heads_of_another_form(path: Path, value: Any) -> None:
    reseal(path / "log/head.json", lambda head: head.update(epochs=value))
    refused(path, r"head\.json is damaged")


@pytest.mark.parametrize("name", ["recording.json", "log/head.json", "log/1.json"])
@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"a":' * 100_000, b"", "{}".encode("utf-16"), b"1" * 10_000],
    ids=["deep list", "deep object", "empty", "UTF-16", "number"],
)
def test_files_that_are_no_json(path: Path, name: str, content: bytes) -> None:
    (path / name).write_bytes(content)
    with pytest.raises(RecordingError, match=name):
        open_recording(path).verify()


@pytest.mark.parametrize(
    "name", ["data/epoch=01", "data/epoch=٣", f"data/epoch={'9' * 5000}"[:240]]
)
def test_a_folder_that_is_no_epoch_is_foreign(path: Path, name: str) -> None:
    (path / name).mkdir()
    assert open_recording(path).epochs == [0, 1]
    with pytest.raises(RecordingError, match="is not of this recording"):
        open_recording(path).verify()
    RecordingWriter(path, HEADER).close()


def write(path: Path, values: Any, image: Any = (0, 1), **more: Any) -> np.ndarray:
    with RecordingWriter(path, HEADER) as writer, writer.epoch(0) as part:
        part.write(np.asarray(image), {"gate/g": values}, **more)
    return open_recording(path).values("g", 0)


@pytest.mark.parametrize("kind", ["float16", "float64", "int64", "uint8", "bool"])
def test_real_numbers_of_other_types_are_written(tmp_path: Path, kind: str) -> None:
    values = np.array([[0, 1], [1, 0]]).astype(kind)
    np.testing.assert_array_equal(write(tmp_path / "r", values), [[0, 1], [1, 0]])


def test_doubles_are_rounded_as_numpy_does(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(2, 2))
    values[0, 0], values[1, 1] = np.inf, np.nan
    np.testing.assert_array_equal(write(tmp_path / "r", values), values.astype(np.float32))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((2, 2), complex), "must hold real numbers, got complex128"),
        (np.array([["a", "b"]] * 2), "must hold real numbers, got <U1"),
        (np.ones((2, 2), object), "must hold real numbers, got object"),
        (np.full((2, 2), 1e300), r"must hold numbers of float32, got 1e\+300"),
    ],
)
def test_what_no_float32_holds_is_refused(tmp_path: Path, values: Any, message: str) -> None:
    with pytest.raises(RecordingError, match=f"column 'gate/g' {message}"):
        write(tmp_path / "r", values)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("image", [0.5, 1]),
        ("image", [[0], [1]]),
        ("image", np.array([2**64 - 1, 0], np.uint64)),
        ("label", np.array([2**40, 0])),
        ("label", np.array([np.nan, 0])),
        ("label", np.arange(3)),
        ("prediction", np.array(["a", "b"])),
    ],
)
def test_indices_and_labels_are_whole_numbers(tmp_path: Path, column: str, values: Any) -> None:
    given = {column: np.asarray(values)}
    with pytest.raises(RecordingError, match=f"column '{column}' must hold"):
        write(tmp_path / "r", np.ones((2, 2), np.float32), **given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ((GATE, GATE), "gate 'g' comes 2 times"),
        ((Gate(name="g", owner="", owner_class="", channels=2),), "by RecordedGate.of"),
        (
            (RecordedGate(name=HALF_PAIR, owner="", owner_class="", channels=2),),
            "has a name that is no",
        ),
        (
            (RecordedGate(name="g", owner="", owner_class="", channels=0),),
            "gate 'g' has the sizes 0, 1",
        ),
    ],
)
def test_gates_that_no_column_holds_are_refused(tmp_path: Path, gates: Any, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        RecordingWriter(tmp_path / "r", Header(gates=gates))
    assert not list(tmp_path.iterdir())
