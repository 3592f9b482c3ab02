"""The study of what predicts the cost of freezing: its statistics by hand, and a small run."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.sensitivity_networks import stored
from benchmarks.sensitivity_page import draw, tables, tables_of_others, title, write_tables
from benchmarks.sensitivity_study import options, study
from benchmarks.sensitivity_summary import (
    calibration,
    median_over_networks,
    precise,
    rank,
    rank_within,
    recovered,
    summary,
    with_interval,
)


def test_the_calibration_by_hand() -> None:
    kl = [0.1, 0.1, 0.1, 0.1, 1e-5]
    table = pd.DataFrame({"kl": kl, "fisher": [0.05, 0.1, 0.1, 0.2, 1.0]})
    found = calibration(table)
    assert found["n"] == 4
    assert found["q50"] == pytest.approx(1)
    assert found["within"] == 0.5
    low, high = found["within_interval"]
    assert 0 <= low < 0.5 < high <= 1
    assert calibration(table.assign(kl=1e-5)) == {"n": 0}


def test_gates_of_uncertain_cost_are_left_out() -> None:
    table = pd.DataFrame({"kl": [1.0, 1.0, 0.0], "kl_se": [0.24, 0.25, 0.0]})
    assert precise(table).index.tolist() == [0]


def test_correlations_by_hand() -> None:
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0], "kl": [0.1, 0.3, 0.2], "lost": [3.0, 2.0, 2.0]})
    assert rank("x")(table) == pytest.approx(0.5)  # 1 - 6 * (0 + 1 + 1) / (3 * 8)
    assert rank("x", "lost")(table) == pytest.approx(-math.sqrt(3) / 2)  # ranks 3, 1.5, 1.5
    assert rank("x")(table.iloc[::-1]) == pytest.approx(0.5)
    assert math.isnan(rank("x")(table.assign(kl=0.0)))
    other = table.assign(kl=[0.1, 0.2, 0.3])
    still = table.assign(kl=0.0)
    parts = {"a": table, "b": other, "c": still}
    both = pd.concat([part.assign(network=name) for name, part in parts.items()])
    assert median_over_networks(rank("x"))(both) == pytest.approx(0.75)


def test_ranks_within_networks_by_hand() -> None:
    """Costs of different tasks are in different units, which ranks within networks leave out."""
    one = pd.DataFrame({"network": "a", "fisher": [1.0, 2.0, 3.0], "kl": [1.0, 3.0, 2.0]})
    other = one.assign(network="b", kl=1000 * one["kl"])
    both = pd.concat([one, other])
    assert rank_within("fisher")(both) == pytest.approx(0.5)
    assert rank("fisher")(both) < 0.5
    assert math.isnan(rank_within("fisher")(both.assign(kl=1.0)))


def test_networks_are_drawn_before_their_gates() -> None:
    """Gates of a network are alike, so that only the number of networks counts."""
    parts = [pd.DataFrame({"network": str(k), "x": [float(k)] * 50}) for k in range(4)]
    table = pd.concat(parts)

    def mean(rows: pd.DataFrame) -> float:
        return float(rows["x"].mean())

    value, low, high = with_interval(table, mean)
    assert value == 1.5
    assert (low, high) == pytest.approx((0.5, 2.5), abs=0.3)  # 1.96 * 1.118 / 2 = 1.1
    _, narrow, wide = with_interval(table.drop(columns="network"), mean)
    assert wide - narrow < 0.4


def test_a_network_that_is_drawn_twice_counts_twice() -> None:
    table = pd.DataFrame({"network": ["a", "b"], "x": [0.0, 1.0]})
    assert with_interval(table, lambda rows: rows["network"].nunique()) == [2, 2, 2]


def test_recovered_predictions_by_hand() -> None:
    def one(name: str, mean: float, optimal: float) -> dict[str, Any]:
        kept = {"none": 1.0, "mean": mean, "optimal": optimal}
        rows = [{"constants": key, "agreement": value} for key, value in kept.items()]
        return {"network": name, "constants": rows}

    networks = [one("a", 0.9, 0.95), one("b", 0.8, 0.85), one("c", 0.99, 0.98), one("d", 1.0, 1.0)]
    found = recovered([*networks, {"network": "e"}])
    assert found["by_network"] == pytest.approx({"a": 0.5, "b": 0.25, "c": -1})
    value, low, high = found["median"]
    assert (found["networks"], value) == (3, pytest.approx(0.25))
    assert -1 <= low < 0.25 < high <= 0.5 + 1e-9
    assert recovered([one("d", 1.0, 1.0)]) == {"networks": 0, "median": [], "by_network": {}}


def test_kinds_of_networks_have_names() -> None:
    names = ["resnet83-se-0-0fe5f040c35ff159", "timm-regnety_002-own-0", "tv-mobilenet_v3-own-1"]
    assert list(map(title, names)) == [
        "SE-ResNet83",
        "timm's regnety_002",
        "torchvision's mobilenet_v3",
    ]


def test_the_page_quotes_the_study() -> None:
    """The tables of the page are those of the numbers beside it."""
    root = Path(__file__).parents[1]
    study = json.loads((root / "benchmarks/results/sensitivity_study.json").read_text())
    page = (root / "docs/sensitivity.md").read_text()
    for name, table in tables(study["networks"], study["summary"]).items():
        assert table in page, name
    wild = json.loads((root / "benchmarks/results/sensitivity_wild.json").read_text())
    for name, table in tables_of_others(wild["networks"], wild["summary"]).items():
        assert table in page, name


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
    assert numbers["spearman_by_network"]["resnet8_basic-se-0"]["gates"] == 3
    json.dumps(numbers)
    draw(found, tmp_path / "study.png")
    assert (tmp_path / "study.png").stat().st_size > 1000
    page = tmp_path / "page.md"
    page.write_text((data.parent / "docs" / "sensitivity.md").read_text())
    write_tables(tables(found, numbers), page)
    assert "| SE-ResNet8_basic | 1 | 3 |" in page.read_text()
    page.write_text("")
    with pytest.raises(ValueError, match="needs the lines"):
        write_tables(tables(found, numbers), page)

    kept = tmp_path / "store" / "resnet8_basic-se-0.json"
    kept.write_text(json.dumps(one | {"accuracy": 0.5}))
    assert study(chosen)[0]["accuracy"] == 0.5  # taken from the store, not measured again
    runs = tmp_path / "store" / "resnet8_basic-se-0"
    (found_there,) = stored([runs, tmp_path])
    assert (found_there.name, found_there.run) == ("resnet8_basic-se-0-run", runs / "run")
    weights = runs / "run" / "model.safetensors"
    weights.rename(weights.with_suffix(".unfinished"))
    assert not list(stored([runs]))
