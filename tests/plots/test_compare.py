"""The picture of a comparison: which side is which, at which epoch, and on which scale."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripe import plots, stats


@pytest.fixture
def two(write_recording: Callable[..., Path], tmp_path: Path) -> list[Path]:
    """Return recordings of the epochs 0 and 1 of two gates."""
    rng = np.random.default_rng(0)
    return [
        write_recording(
            {epoch: {gate: 1e-3 * rng.random((9, 5)) for gate in "gh"} for epoch in (0, 1)},
            path=tmp_path / name,
        )
        for name in ("run", "other")
    ]


def _legend(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.child_axes[0].get_legend().get_texts()]


@pytest.mark.parametrize(
    ("epoch", "said", "legend"),
    [
        ([1, 0], "epochs 1 and 0", ["run (epoch 1)", "other (epoch 0)"]),
        ([0, 1], "epochs 0 and 1", ["run (epoch 0)", "other (epoch 1)"]),
        ([1, 1], "epoch 1", ["run", "other"]),
    ],
)
def test_the_epochs_are_in_the_order_of_the_sides(
    two: list[Path], epoch: list[int], said: str, legend: list[str]
) -> None:
    ax = plots.compare(two, epoch=epoch)
    assert ax.child_axes[1].get_xlabel().endswith(f"\n{said}")
    assert _legend(ax) == legend


def test_names_with_commas_are_told_apart(two: list[Path]) -> None:
    ax: Any = plots.compare(two, names=["SE", "SE, decay"])
    assert ax.child_axes[1].get_title(loc="left") == '"SE, decay" minus "SE"'
    epochs: Any = plots.compare(two[0], epoch=[1, 0])
    assert epochs.child_axes[1].get_title(loc="left") == '"run, epoch 0" minus "run, epoch 1"'
    assert _legend(epochs) == ["run, epoch 1", "run, epoch 0"]


def test_the_epochs_of_seeds_are_named(two: list[Path]) -> None:
    table = stats.compare([two, two[::-1]], names=["SE", "ASR"], epoch=[1, 0])
    assert _legend(plots.compare(table)) == ["SE (epoch 1)", "ASR (epoch 0)"]


def test_every_seed_is_a_point_around_the_mean(two: list[Path]) -> None:
    table = stats.compare([two, two[::-1]], names=["SE", "ASR"])
    runs = table.attrs["runs"]["h"]["eta2"]
    assert np.mean(runs, axis=1) == pytest.approx(
        table.loc[(table.gate == "h") & (table.statistic == "eta2"), ["SE", "ASR"]].squeeze()
    )
    ax: Any = plots.compare(table)
    drawn = [list(line.get_ydata()) for line in ax.child_axes[0].lines]
    assert [values[2:] for values in drawn if len(values) == 4] == runs  # after those of g
    assert _legend(ax) == ["SE", "ASR"]
    renamed: Any = plots.compare(table.assign(gate="block." + table["gate"]))
    assert len(renamed.child_axes[0].lines) == 2


def test_recordings_are_resampled_as_asked(two: list[Path]) -> None:
    how: dict[str, Any] = {"resamples": 100, "level": 0.5, "seed": 3}
    asked: Any = plots.compare(two, **how)
    expected: Any = plots.compare(stats.compare(two, **how))
    assert "50 % interval over images" in asked.child_axes[1].get_xlabel()
    bars = [ax.child_axes[1].collections[0].get_segments() for ax in (asked, expected)]
    np.testing.assert_array_equal(*bars)


@pytest.mark.parametrize("factor", [1, 100])
def test_eta2_is_drawn_from_0_to_1(factor: float, two: list[Path]) -> None:
    table = stats.compare(two, resamples=100)
    sides = ["run", "other"]
    table[sides] = (0.008 * factor) * table[sides] / table[sides].max()
    top, _ = plots.compare(table).child_axes
    low, high = top.get_ylim()
    assert (low, high) == pytest.approx((-0.06, 1.06))


def test_small_numbers_have_a_factor(two: list[Path]) -> None:
    table = stats.compare(two, resamples=100)
    ax: Any = plots.compare(table, statistic="between_var")
    ax.figure.draw_without_rendering()
    for panel in ax.child_axes:
        assert r"$10^{-" in panel.get_ylabel()
        labels = [text.get_text() for text in panel.get_yticklabels()]
        assert max(map(len, labels)) <= len("\N{MINUS SIGN}7.5")
