"""A table of another function, or without rows, is refused in one line that says what to give."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stripe import plots, stats
from stripe.errors import StripeError

#: Plots of tables, with the function that makes the table.
PLOTS = {
    "ablation": "`stripe ablate`",
    "batch_sensitivity": "stripe.style.compare, by_batch_size",
    "class_information": "stripe.stats.class_information",
    "compare": "stripe.compare",
    "effective_rank": "stripe.stats.effective_rank",
    "epoch_similarity": "stripe.stats.epoch_similarity",
    "freezing": "stripe.audit, greedy",
    "gate_similarity": "stripe.stats.gate_similarity",
    "gate_spread": "stripe.stats.channel_moments",
    "noise_bound": "stripe.noise_bound",
    "noise_robustness": "stripe.robustness.attack",
    "reproduction": "Reproduction.numbers",
    "saturation": "stripe.stats.saturation",
    "sensitivity": "stripe.sensitivity, gates",
    "tradeoff": "`stripe bench fps`",
    "variance_components": "stripe.stats.variance_components",
}


def _message(plot: str, table: pd.DataFrame, **options: Any) -> str:
    with pytest.raises(StripeError) as raised:
        getattr(plots, plot)(table, **options)
    message = str(raised.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("plot", PLOTS)
def test_a_table_of_another_function(plot: str) -> None:
    other = pd.DataFrame({"name": ["a"], "value": [1.0]})
    message = _message(plot, other)
    assert message.startswith("the table must have the columns ")
    assert "it has name, value; " in message
    assert f"give the table of {PLOTS[plot]}" in message


@pytest.mark.parametrize("plot", PLOTS)
def test_a_table_without_rows(plot: str) -> None:
    complete = _message(plot, pd.DataFrame({"name": ["a"]}))
    columns = complete.removeprefix("the table must have the columns ").split(", and lacks")[0]
    message = _message(plot, pd.DataFrame({name: [] for name in columns.split(", ")}))
    assert message.startswith("the table must have at least one row, and has none; ")
    assert f"give the table of {PLOTS[plot]}" in message


def test_every_plot_of_a_table_is_here() -> None:
    taking = {
        name
        for name, plot in vars(plots).items()
        if "DataFrame" in str(getattr(plot, "__annotations__", {}).get("data"))
    }
    assert taking == set(PLOTS)


def test_a_comparison_without_the_statistic(write_recording: Callable[..., Path]) -> None:
    rng = np.random.default_rng(0)
    path = write_recording({epoch: {"g": rng.random((9, 4))} for epoch in (0, 1)})
    table = stats.compare(path, epoch=[0, 1], resamples=100)
    some = table.query("statistic != 'eta2' and statistic != 'within_var'")
    assert _message("compare", some) == (
        "the table must have rows of the statistic eta2, and has those of between_var, median_std; "
        "choose one of these, or give the whole table of stripe.compare"
    )
    assert plots.compare(some, statistic="median_std").child_axes
    message = _message("compare", stats.stripe_index(path))
    assert "lacks statistic, difference, low, high; it has " in message
