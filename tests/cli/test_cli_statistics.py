"""`stripe stats NAME`: what is printed and written is the table of the function of that name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stripe import stats


@pytest.fixture
def recorded(write_recording: Callable[..., Path]) -> Path:
    """Return a recording of two gates and two epochs, one channel of which is closed."""
    rng = np.random.default_rng(0)
    open_gate = rng.random((12, 4)) + np.arange(12)[:, None] % 3
    closed = open_gate * np.array([0.0, 1.0, 1.0, 1.0])
    return write_recording({0: {"a": open_gate, "b": closed}, 1: {"a": closed, "b": open_gate}})


def shares(path: Path) -> pd.DataFrame:
    """Return the saturation of one epoch, between other bounds than the default."""
    return stats.saturation(stats.channel_moments(path, [1]), low=0.0, high=0.5)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("variance-components", stats.variance_components),
        ("variance_components --epoch 1", lambda r: stats.variance_components(r, [1])),
        ("effective-rank --epoch 0", lambda r: stats.effective_rank(r, [0])),
        ("saturation --epoch 1 --low 0 --high 0.5", shares),
        ("class-information --folds 3 --seed 2 --shrinkage 0.5",
         lambda r: stats.class_information(r, folds=3, seed=2, shrinkage=0.5)),
        ("epoch-similarity", stats.epoch_similarity),
        ("epoch-similarity --gates b --epoch 1", lambda r: stats.epoch_similarity(r, "b", [1])),
        ("gate-similarity --epoch 0", lambda r: stats.gate_similarity(r, 0)),
    ],
)  # fmt: skip
def test_a_command_prints_and_writes_its_table(
    words: str,
    expected: Callable[[Path], pd.DataFrame],
    recorded: Path,
    tmp_path: Path,
    run: Callable[..., Any],
) -> None:
    name, *options = words.split()
    out = tmp_path / "t.csv"
    code, said = run("stats", name, recorded, *options, "--json", "--out", out)
    assert code == 0, said
    table = expected(recorded)
    printed = pd.DataFrame(json.loads(said)).convert_dtypes()
    wanted = table.convert_dtypes()
    pd.testing.assert_frame_equal(printed, wanted, check_dtype=False, rtol=1e-6)
    pd.testing.assert_frame_equal(pd.read_csv(out), table, check_dtype=False)
    code, said = run("stats", name, recorded, *options, "--out", out)
    assert (code, said) == (1, f"error: {out} already exists; choose another\n")


def test_tables_are_for_readers_too(recorded: Path, run: Callable[..., Any]) -> None:
    code, said = run("stats", "saturation", recorded)
    assert code == 0
    assert said.split()[:6] == ["epoch", "gate", "channels", "off", "on", "stuck"]
    assert len(said.splitlines()) == 5


def test_other_statistics_are_written_too(
    recorded: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    for name in ("index", "moments", "convergence"):
        code, said = run("stats", name, recorded, "--out", tmp_path / f"{name}.csv")
        assert code == 0, said
        assert pd.read_csv(tmp_path / f"{name}.csv").iloc[0]["gate"] == "a"


def test_wrong_bounds_are_one_line(recorded: Path, run: Callable[..., Any]) -> None:
    code, said = run("stats", "saturation", recorded, "--low", "0.9", "--high", "0.1")
    assert (code, said) == (1, "error: bounds must have 0 <= low < high <= 1, got 0.9 and 0.1\n")
    code, said = run("stats", "class-information", recorded, "--epoch", "7")
    assert code == 1
    assert "holds no epoch 7" in said
