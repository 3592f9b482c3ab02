"""Gates by depth: what is measured of a recording whose answer is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stripe.reproduce.kinds.depth import GatesByDepth, gates_by_depth


def recorded(write: Callable[..., Path]) -> Path:
    """Record a gate that noise fills and one that tells the class, before and after training."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3  # as the fixture labels images
    noise = rng.random((90, 4))
    striped = np.array([0.1, 0.4, 0.6, 0.9]) + rng.normal(0, 0.01, (90, 4))
    tells = striped + labels[:, None] / 20
    return write({0: {"first": noise, "second": noise}, 5: {"first": noise, "second": tells}})


def test_each_gate_beside_its_untrained_self(write_recording: Callable[..., Path]) -> None:
    table = gates_by_depth(recorded(write_recording)).set_index("gate")
    assert table["depth"].to_dict() == {"first": 1, "second": 2}
    assert table["eta2"]["first"] == table["eta2_untrained"]["first"]
    assert table["eta2"]["second"] > 0.9 > 0.2 > table["eta2_untrained"]["second"]
    assert table["class_accuracy"]["second"] > 0.95
    assert table["chance"].tolist() == pytest.approx([1 / 3, 1 / 3])


def test_the_numbers_are_means_over_gates(
    write_recording: Callable[..., Path], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    (store / "run").mkdir(parents=True)
    recorded(write_recording).rename(store / "run" / "recording")
    out = store / "measured"
    out.mkdir()
    numbers = GatesByDepth(of=("run",), out=out).measure()
    table = gates_by_depth(store / "run" / "recording")
    assert numbers["eta2_gained"] == pytest.approx((table["eta2"] - table["eta2_untrained"]).mean())
    ranks = (numbers["eta2_by_depth"], numbers["eta2_by_class"])
    assert ranks == pytest.approx((1, 1))  # of two gates
    assert (out / "gates.csv").exists()
