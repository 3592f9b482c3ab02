"""Every plot of a recording takes several, and names each of them."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.text import Text

import stripe
from stripe import plots, stats
from stripe.errors import StripeError

NAMES = ["run-one", "run-two"]


def _takes_recordings(plot: Callable[..., Any]) -> bool:
    first = next(iter(inspect.signature(plot).parameters.values()), None)
    return first is not None and "Recording" in str(first.annotation)


PLOTS = {
    name: plot
    for name, plot in vars(plots).items()
    if inspect.isfunction(plot) and _takes_recordings(plot)
}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return recordings of two networks, with labels, two epochs, and spatial maps."""
    images = torch.randn(12, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    batch = (images, torch.arange(12) % 3)
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        model = stripe.build("resnet11", attention="cbam", num_classes=3, seed=seed)
        with stripe.Recorder(model, folder / str(seed), spatial=True, dataset="x") as recorder:
            for epoch in (0, 1):
                recorder.record([batch], epoch, progress=False)
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter.mul_(1.1)
    return [folder / "0", folder / "1"]


def test_every_plot_of_a_recording_is_found() -> None:
    assert {"stripes", "gate_spread", "variance_components", "epoch_similarity"} <= set(PLOTS)
    assert "tradeoff" not in PLOTS


@pytest.mark.slow
@pytest.mark.parametrize("name", PLOTS)
def test_two_runs_are_told_apart(name: str, two: list[Path]) -> None:
    options = {"folds": 2} if name == "class_information" else {}
    ax = PLOTS[name](two, names=NAMES, **options)
    texts = [text.get_text() for text in ax.figure.findobj(Text) if text.get_visible()]
    for run in NAMES:
        assert any(run in text for text in texts), f"{run} is not named among {texts}"


def _bars(ax: Any) -> list[float]:
    return [bar.get_height() for container in ax.containers for bar in container]


@pytest.mark.parametrize("name", ["variance_components", "saturation"])
def test_bars_of_two_runs_are_above_each_other(name: str, two: list[Path]) -> None:
    rows = PLOTS[name](two, names=NAMES).child_axes
    assert [_bars(row) for row in rows] == [_bars(PLOTS[name](run)) for run in two]
    assert _bars(rows[0]) != _bars(rows[1]) or name == "saturation"
    assert len({row.get_ylim() for row in rows}) == 1
    assert [row.get_legend() is not None for row in rows] == [True, False]
    assert [row.get_xlabel().partition("\n")[0] for row in rows] == ["", "gate, in forward order"]
    shares = stats.saturation(stats.channel_moments(two[0], [0]))
    many = pd.concat([shares.assign(recording=str(run)) for run in range(9)])
    with pytest.raises(StripeError, match="at most 8 runs are readable above each other, got 9"):
        plots.saturation(many)


def test_accuracies_of_two_runs_are_beside_each_other(two: list[Path]) -> None:
    ax: Any = plots.class_information(two, names=NAMES, folds=2)
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sorted(legend) == ["chance", "inputs", *NAMES]
    drawn = [container[0] for container in ax.containers]
    for line, run in zip(drawn, two, strict=True):
        expected = 100 * stats.class_information(run, [1], folds=2)["accuracy"]
        np.testing.assert_allclose(line.get_ydata(), expected)
    assert len({line.get_color() for line in drawn}) == 2
    assert len({line.get_marker() for line in drawn}) == 2
    assert not set(drawn[0].get_xdata()) & set(drawn[1].get_xdata())


def test_similarities_of_two_runs_are_side_by_side(two: list[Path]) -> None:
    ax: Any = plots.epoch_similarity(two, names=NAMES)
    panels = ax.child_axes[:2]
    assert [panel.get_title() for panel in panels] == [f'"{name}"' for name in NAMES]
    assert ax.get_title(loc="left") == "compared with epoch 1"
    alone = [plots.epoch_similarity(run).get_images()[0].get_array() for run in two]
    for panel, expected in zip(panels, alone, strict=True):
        np.testing.assert_array_equal(panel.get_images()[0].get_array(), expected)
    other: Any = plots.epoch_similarity(two, names=NAMES, epoch=[0, 1])
    titles = [panel.get_title() for panel in other.child_axes[:2]]
    assert titles == ['"run-one, epoch 0"', '"run-two, epoch 1"']
    table = stats.epoch_similarity(two[0])
    with pytest.raises(StripeError, match="a table has one recording: give one epoch, and no na"):
        plots.epoch_similarity(table, names=["x"])
