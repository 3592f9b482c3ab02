"""What freezing costs, from a mapping, a table, or what has one."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import stripe
from stripe.errors import StripeError
from stripe.explorer.costs import costs_of
from stripe.explorer.slices import Slices

GATES = ["a", "b"]
TABLE = pd.DataFrame({"gate": ["a", "b", "c"], "fisher": [0.5, float("nan"), 1.0]})
ABLATED = pd.DataFrame({
    "intervention": ["none", "mean", "mean", "zero"],
    "gate": ["", "a", "b", "a"],
    "kl": [0.0, 0.1, 0.2, 9.0],
})  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": 1, "c": 2}, {"a": 1.0}),
        (TABLE, {"a": 0.5}),
        (SimpleNamespace(gates=TABLE), {"a": 0.5}),
        (ABLATED, {"a": 0.1, "b": 0.2}),
    ],
)
def test_costs_by_gate(given: Any, expected: dict[str, float]) -> None:
    assert costs_of(given, GATES) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "costs are a table .* a mapping, .* got int"),
        (TABLE.drop(columns="fisher"), "got a table with the columns gate"),
        ({"c": 1.0}, "must name a recorded gate, such as 'a', and name c"),
    ],
)
def test_what_is_no_cost_is_one_line(given: Any, said: str) -> None:
    with pytest.raises(StripeError, match=said):
        costs_of(given, GATES)


def test_the_page_is_told(explored: Path) -> None:
    about = json.loads(Slices(explored, costs={"b": 0.25}).answer("about"))
    assert about["costs"] == {"b": 0.25}
    assert json.loads(Slices(explored).answer("about"))["costs"] == {}


def test_all_interventions_on_a_gate_are_told(explored: Path) -> None:
    about = json.loads(Slices(explored, costs=ABLATED).answer("about"))
    assert about["costs"] == {"a": 0.1, "b": 0.2}
    known = dict.fromkeys(("kl_low", "kl_high", "agreement", "accuracy"))
    mean = {"intervention": "mean", "kl": 0.1, **known}
    assert about["ablation"]["a"] == [mean, {"intervention": "zero", "kl": 9.0, **known}]
    assert [row["intervention"] for row in about["ablation"]["b"]] == ["mean"]
    without = Slices(explored, costs=ABLATED[ABLATED["intervention"] != "mean"]).about()
    assert (without["costs"], list(without["ablation"])) == ({}, ["a"])
    assert Slices(explored, costs=TABLE).about()["ablation"] == {}


def test_a_file_of_costs(explored: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    ABLATED.to_csv(tmp_path / "ablation.csv", index=False)
    page = tmp_path / "page.html"
    code, said = run(
        "explore", str(explored), "--out", str(page), "--costs", str(tmp_path / "ablation.csv")
    )
    assert (code, page.exists()) == (0, True), said
    code, said = run(
        "explore",
        str(explored),
        "--out",
        str(tmp_path / "b.html"),
        "--costs",
        str(tmp_path / "no.csv"),
    )
    assert code == 1
    assert "cannot be read as a table" in said


@pytest.mark.slow
def test_the_details_show_all_interventions(browser: Any, explored: Path, tmp_path: Path) -> None:
    table = ABLATED.assign(kl_low=0.05, kl_high=0.5, agreement=0.75)
    file = stripe.explore(explored, costs=table, gate="a").save(tmp_path / "costs.html")
    page = browser.new_page(offline=True)
    page.goto(file.as_uri())
    rows = page.locator(".sx-ablation tr")
    rows.nth(2).wait_for()
    assert rows.nth(1).locator("td").all_inner_texts()[:1] == ["mean"]
    assert rows.nth(2).locator("td").all_inner_texts() == ["zero", "9", "0.05 to 0.5", "75.0 %", ""]


@pytest.mark.slow
def test_gates_are_sorted_by_cost(browser: Any, explored: Path, tmp_path: Path) -> None:
    explorer = stripe.explore(explored, costs={"a": 0.125, "b": 2.0}, gate_order="cost")
    file = explorer.save(tmp_path / "costs.html")
    page = browser.new_page(offline=True)
    page.goto(file.as_uri())
    page.wait_for_function("() => document.querySelector('.sx')?.explorer?.glances.size === 2")
    cards = page.locator(".sx-card .sx-numbers").all_inner_texts()
    assert [card.split("· ")[-1] for card in cards] == ["2 nats", "0.125 nats"]
