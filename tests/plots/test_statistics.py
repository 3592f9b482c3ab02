"""Plots of statistics of every gate: what the artists hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from stripe import plots, stats
from stripe.errors import RecordingError, StripeError


def legend(ax: Axes) -> list[str]:
    drawn = ax.get_legend()
    assert drawn is not None
    return [text.get_text() for text in drawn.get_texts()]


def bars(ax: Axes) -> dict[str, list[tuple[float, float]]]:
    """Return the lower end and the height of every bar, by the name of its kind."""
    return {
        str(container.get_label()): [(bar.get_y(), bar.get_height()) for bar in container]
        for container in ax.containers
    }


@pytest.fixture
def recorded(write_recording: Callable[..., Path]) -> Path:
    """Return a recording of two gates and three epochs; the later gate ends as it began."""
    rng = np.random.default_rng(0)
    labels = np.arange(12) % 3
    own = rng.random((12, 4)) + labels[:, None] + 2 * np.arange(4)
    other = rng.random((12, 4))
    closed = np.where(np.arange(3) == 0, 0.0, 0.5 + 0.1 * rng.random((12, 3)))
    return write_recording({
        0: {"early": closed, "late": own},
        1: {"early": closed, "late": other},
        2: {"early": closed, "late": 3 * own},
    })  # fmt: skip


def test_shares_of_variance_lie_on_top_of_each_other(recorded: Path) -> None:
    table = stats.variance_components(recorded, [2]).set_index("gate")
    ax = plots.variance_components(recorded)
    assert legend(ax) == ["channel", "class", "image"]
    found = bars(ax)
    top = np.zeros(2)
    for part in ("channel", "class", "image"):
        np.testing.assert_allclose([low for low, _ in found[part]], top, atol=1e-9)
        top += [height for _, height in found[part]]
    np.testing.assert_allclose(top, [100, 100])
    expected = table.loc["late", ["channel", "class", "image"]].astype(float)
    assert (expected > 0).all()
    heights = [found[part][1][1] for part in expected.index]
    np.testing.assert_allclose(heights, 100 * expected)
    assert "epoch 2" in ax.get_title(loc="left")
    assert ax.get_xlabel() == "gate, in forward order"


def test_shares_below_zero_are_drawn_as_zero_and_missing_ones_not() -> None:
    table = pd.DataFrame({"epoch": 0, "gate": ["a", "b"], "channel": [-0.25, 0.5]})
    table[["class", "image"]] = [[np.nan, 1.25], [np.nan, 0.5]]
    ax = plots.variance_components(table)
    assert bars(ax) == {"channel": [(0, 0), (0, 50)], "image": [(0, 100), (50, 50)]}
    assert ax.get_xlabel().endswith("\nestimates below 0 are drawn as 0")
    above = plots.variance_components(table.tail(1))
    assert "below 0" not in above.get_xlabel()


def test_gates_without_any_variance_leave_the_plot_empty() -> None:
    table = pd.DataFrame({"epoch": 0, "gate": ["a"], "channel": np.nan})
    table[["class", "image"]] = np.nan
    assert bars(plots.variance_components(table)) == {"channel": [(0, 0)], "image": [(0, 0)]}


def test_saturation_has_three_bars_for_each_gate(recorded: Path) -> None:
    found = bars(plots.saturation(recorded))
    np.testing.assert_allclose(found["off (within 0.01 of 0)"], [(0, 100 / 3), (0, 0)])
    np.testing.assert_allclose(found["on (within 0.01 of 1)"], [(0, 0), (0, 0)])
    np.testing.assert_allclose(found["stuck"], [(0, 100 / 3), (0, 0)])
    low = bars(plots.saturation(recorded, low=0.61, high=0.7))
    assert [height for _, height in low["off (within 0.61 of 0)"]] == [100, 0]
    table = stats.saturation(recorded, low=0.61, high=0.7)
    # The table does not hold the bounds.
    assert [*bars(plots.saturation(table)).values()] == [*low.values()]
    with pytest.raises(StripeError, match="bounds must have 0 <= low < high <= 1"):
        plots.saturation(recorded, low=0.9, high=0.8)


@pytest.mark.parametrize(("share", "end"), [(0, 1), (0.01, 1), (3 / 64, 5), (0.51, 100), (1, 100)])
def test_the_axis_of_saturation_says_where_it_ends(share: float, end: int) -> None:
    table = pd.DataFrame({"epoch": 0, "gate": ["a", "b"], "off": [0, share], "on": 0, "stuck": 0})
    label = "channels (%)" + (f"\naxis ends at {end} %" if end < 100 else "")
    ax = plots.saturation(table)
    assert (ax.get_ylim(), ax.get_ylabel()) == ((0, end), label)
    both = pd.concat([table.assign(recording=name) for name in ("x", "y")])
    both.loc[both["recording"] == "x", "off"] = 0.0
    assert {row.get_ylim() for row in plots.saturation(both).child_axes} == {(0, end)}


def test_class_information_beside_inputs_and_chance(recorded: Path) -> None:
    table = stats.class_information(recorded, folds=2)
    ax: Any = plots.class_information(recorded, folds=2)
    assert sorted(legend(ax)) == ["chance", "gate", "inputs"]
    (container,) = ax.containers
    np.testing.assert_allclose(container[0].get_ydata(), 100 * table["accuracy"])
    ends = [np.asarray(path.vertices)[:, 1] for path in container[2][0].get_paths()]
    np.testing.assert_allclose(ends, 100 * table[["low", "high"]])
    before = ax.collections[-1].get_offsets()[:, 1]
    np.testing.assert_allclose(before, 100 * table["inputs"])
    (line,) = [line for line in ax.lines if line.get_label() == "chance"]
    np.testing.assert_allclose(line.get_ydata(), 100 / 3)
    alone: Any = plots.class_information(table.assign(inputs=np.nan))
    assert "inputs" not in legend(alone)


def test_epochs_are_compared_with_the_last_or_a_chosen_one(recorded: Path) -> None:
    table = stats.epoch_similarity(recorded)
    late = table[table["gate"] == "late"].set_index(["epoch", "other"])["cka"]
    ax: Any = plots.epoch_similarity(recorded)
    (image,) = ax.get_images()
    matrix = np.asarray(image.get_array())
    assert matrix.shape == (2, 3)
    np.testing.assert_allclose(matrix[1], [1, late[1, 2], 1])
    assert late[1, 2] < 0.7
    assert image.get_clim() == (0, 1)
    assert [text.get_text() for text in ax.get_xticklabels() if text.get_text()] == ["0", "1", "2"]
    assert "compared with epoch 2" in ax.get_title(loc="left").replace("\n", " ")
    first: Any = plots.epoch_similarity(table, epoch=1)
    drawn = np.asarray(first.get_images()[0].get_array())
    np.testing.assert_allclose(drawn[1], [late[0, 1], 1, late[1, 2]])


def test_ranks_lie_below_the_number_of_channels(recorded: Path) -> None:
    table = stats.effective_rank(recorded, [2])
    ax: Any = plots.effective_rank(recorded)
    assert legend(ax) == ["effective rank", "participation", "channels"]
    rank, participation, channels = (np.asarray(line.get_ydata()) for line in ax.lines)
    np.testing.assert_allclose(rank, table["effective_rank"])
    np.testing.assert_allclose(participation, table["participation"])
    assert channels.tolist() == [3, 4]
    assert ax.get_yscale() == "log"
    still: Any = plots.effective_rank(table.assign(effective_rank=[0.0, 2.0]))
    np.testing.assert_array_equal(still.lines[0].get_ydata(), [np.nan, 2])


def test_gates_are_compared_in_a_symmetric_matrix(recorded: Path) -> None:
    cka = stats.gate_similarity(recorded, 0).set_index(["gate", "other"])["cka"]
    ax: Any = plots.gate_similarity(recorded, epoch=0)
    (image,) = ax.get_images()
    between = cka["early", "late"]
    np.testing.assert_allclose(image.get_array(), [[1, between], [between, 1]])
    assert between < 0.7
    assert image.get_clim() == (0, 1)
    assert [text.get_text() for text in ax.get_yticklabels() if text.get_text()] == ["1", "2"]
    assert "epoch 0" in ax.get_title(loc="left")
    many = [(f"g{one}", f"g{two}", 0.5) for one in range(12) for two in range(one, 12)]
    large: Any = plots.gate_similarity(pd.DataFrame(many, columns=["gate", "other", "cka"]))
    assert np.asarray(large.get_images()[0].get_array()).shape == (12, 12)
    named = [text.get_text() for text in large.get_xticklabels() if text.get_text()]
    assert named == ["1", "3", "5", "7", "9", "11"]


def test_estimated_costs_on_a_logarithmic_scale() -> None:
    table = pd.DataFrame({"gate": ["a", "b", "c"], "first_order": [0.1, 0.01, 0.0]})
    table["fisher"], table["fisher_se"] = [0.02, 0.0002, 0.0], [0.001, np.nan, 0.0]
    ax: Any = plots.sensitivity(table)
    assert sorted(legend(ax)) == ["KL divergence, estimated", "first-order change"]
    (container,) = ax.containers
    heights = np.asarray(container[0].get_ydata(), dtype=float)
    np.testing.assert_array_equal(heights, [0.02, 0.0002, np.nan])
    ends = np.asarray(container[2][0].get_segments()[0])[:, 1]
    np.testing.assert_allclose(ends, [0.02 - 1.96 * 0.001, 0.02 + 1.96 * 0.001])
    np.testing.assert_allclose(ax.collections[-1].get_offsets()[:2, 1], [0.1, 0.01])
    assert ax.get_yscale() == "log"
    low, high = ax.get_ylim()
    assert low < 0.0002 < 0.1 < high
    nothing = table.assign(first_order=0.0, fisher=0.0)
    assert plots.sensitivity(nothing).get_yscale() == "linear"
    with pytest.raises(StripeError, match="lacks fisher_se"):
        plots.sensitivity(table.drop(columns="fisher_se"))
    with pytest.raises(StripeError, match="one row for each gate"):
        plots.sensitivity(pd.concat([table, table]))


def test_what_cannot_be_drawn_is_one_line(recorded: Path) -> None:
    table = stats.variance_components(recorded)
    with pytest.raises(StripeError, match=r"\Athere is no epoch 7; the table has: 0, 1, 2\Z"):
        plots.variance_components(table, epoch=7)
    with pytest.raises(RecordingError, match="holds no epoch 7"):
        plots.saturation(recorded, epoch=7)
    with pytest.raises(StripeError, match="lacks image"):
        plots.variance_components(table.drop(columns="image"))
    with pytest.raises(StripeError, match="one row for each gate and epoch"):
        plots.variance_components(pd.concat([table, table]))
    one = stats.epoch_similarity(recorded, epochs=[1])
    with pytest.raises(StripeError, match=r"needs two of them, 1 among them; recorded: 1\Z"):
        plots.epoch_similarity(one)
    with pytest.raises(RecordingError, match="holds no epoch 7"):
        plots.gate_similarity(recorded, epoch=7)
    pairs = stats.gate_similarity(recorded)
    with pytest.raises(StripeError, match="one row for each two gates"):
        plots.gate_similarity(pd.concat([pairs, pairs]))


def test_a_picture_without_bars_says_so() -> None:
    none = pd.DataFrame({"epoch": 0, "gate": ["a", "b"], "off": 0.0, "on": 0.0, "stuck": 0.0})
    said = [text.get_text() for text in plots.saturation(none).texts]
    assert "no channel is off, on or stuck" in said
    assert len(plots.saturation(none.assign(on=[0.0, 0.1])).texts) == len(said) - 1
