"""Series of a plot differ in more than colour, so that they are told apart in grey."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stripe import plots
from stripe.plots.series import series_styles

NOISE = pd.DataFrame({"bound": [2.0, 4.0, 8.0], "cumulated": [1.0, 1.1, 1.2]})
ATTACKED = pd.DataFrame({"network": ["a", "b", "c"], "noise": "none", "accuracy": [0.7, 0.8, 0.9]})
MATES = pd.DataFrame({"variant": ["a", "b", "c"], "batch_size": 8, "spread": [0.1, 0.2, 0.3]})


def markers(ax: Any) -> list[str]:
    return [line.get_marker() for line in ax.lines if len(line.get_xdata()) and line.get_label()]


def test_eight_series_have_eight_markers() -> None:
    assert len({style["marker"] for style in series_styles(8)}) == 8
    assert len(series_styles(11)) == 11


@pytest.mark.parametrize(
    ("ax", "count"),
    [
        (lambda: plots.noise_bound({"a": NOISE, "b": NOISE, "c": NOISE}), 3),
        (lambda: plots.noise_robustness(ATTACKED), 3),
        (lambda: plots.batch_sensitivity(MATES), 3),
    ],
    ids=["noise_bound", "noise_robustness", "batch_sensitivity"],
)
def test_each_series_has_a_marker_of_its_own(ax: Callable[[], Any], count: int) -> None:
    assert len(set(markers(ax())) - {"None", "_", "|"}) == count


def test_modules_of_a_tradeoff_differ_in_lightness() -> None:
    data = pd.DataFrame({"network": ["bare", "se", "eca", "cbam"], "accuracy": 0.8,
                         "images_per_s": [1.0, 2.0, 3.0, 4.0], "parameters": 1e5})  # fmt: skip
    ax: Any = plots.tradeoff(data)
    colours = np.array([one.get_facecolor()[0][:3] for one in ax.collections])
    lightness = np.sort(colours @ [0.2126, 0.7152, 0.0722])
    assert np.diff(lightness).min() > 0.05


def test_histograms_of_two_runs_have_two_dash_patterns(
    write_recording: Callable[..., Path], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    runs = [write_recording({0: {"g": rng.random((9, 5))}}, path=tmp_path / name) for name in "ab"]
    ax: Any = plots.channel_std(runs)
    legend = ax.get_legend()
    names = [text.get_text() for text in legend.get_texts()]
    dashes = [handle._dash_pattern for handle in legend.legend_handles]
    assert [name[0] for name in names] == ["a", "a", "b", "b"]
    assert dashes[0] == dashes[1] != dashes[2] == dashes[3]
    drawn = [collection.get_linestyle()[0][1] for collection in ax.collections]
    assert [dashes is None for dashes in drawn].count(True) == 2
