"""The study of what predicts the cost of freezing: its statistics by hand, and a small run."""

import json
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.sensitivity_networks import stored
from benchmarks.sensitivity_study import options, study
from benchmarks.sensitivity_summary import calibration, draw, summary, with_interval


def test_the_calibration_by_hand() -> None:
    kl = [0.1, 0.1, 0.1, 0.1, 1e-5]
    table = pd.DataFrame({"kl": kl, "fisher": [0.05, 0.1, 0.1, 0.2, 1.0]})
    found = calibration(table)
    assert found["n"] == 4
    assert found["q50"] == pytest.approx(1)
    assert found["within"] == 0.5


def test_an_interval_holds_its_statistic() -> None:
    table = pd.DataFrame({"x": [float(n % 7) for n in range(200)]})
    mean, low, high = with_interval(table, lambda t: float(t["x"].mean()))
    assert mean == pytest.approx(table["x"].mean())
    half = 1.96 * float(table["x"].std()) / 200**0.5
    assert low == pytest.approx(mean - half, abs=0.05)
    assert high == pytest.approx(mean + half, abs=0.05)


@pytest.mark.slow
def test_a_small_study_is_kept_and_resumed(tmp_path: Path) -> None:
    data = Path(__file__).parents[1] / "data"
    arguments = ["--quick", "--images", "32", "--sets", "2", "--store", str(tmp_path / "store")]
    chosen = options([*arguments, "--data-root", str(data)])
    found = study(chosen)
    (one,) = found
    assert 0.1 < one["accuracy"] <= 1
    assert len(one["gates"]) == 3
    assert all(row["kl"] >= 0 and 0 <= row["agreement"] <= 1 for row in one["gates"])
    assert [row["constants"] for row in one["constants"]] == ["none", "mean", "optimal"]
    assert {row["kind"] for row in one["sets"]} == {"greedy", "random"}
    numbers = summary(found)
    assert (numbers["networks"], numbers["gates"]) == (1, 3)
    draw(found, tmp_path / "study.png")
    assert (tmp_path / "study.png").stat().st_size > 1000

    kept = tmp_path / "store" / "resnet8_basic-se-0.json"
    kept.write_text(json.dumps(one | {"accuracy": 0.5}))
    assert study(chosen)[0]["accuracy"] == 0.5  # taken from the store, not measured again
    runs = tmp_path / "store" / "resnet8_basic-se-0"
    (found_there,) = stored([runs, tmp_path])
    assert (found_there.name, found_there.run) == ("resnet8_basic-se-0-run", runs / "run")
    weights = runs / "run" / "model.safetensors"
    weights.rename(weights.with_suffix(".unfinished"))
    assert not list(stored([runs]))
