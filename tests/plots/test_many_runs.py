"""Plots of eight runs with long names, of runs that share no image, and of gates that are NaN."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripe import plots
from stripe.errors import RecordingError, StripeError
from stripe.plots.axes import wrapped
from stripe.plots.heat_maps import colour_range

Write = Callable[..., Path]
RNG = np.random.default_rng(0)


@pytest.fixture
def eight(write_recording: Write, tmp_path: Path) -> list[Path]:
    """Return recordings of two epochs of two gates of four channels of 15 images."""
    return [
        write_recording(
            {epoch: {"a": RNG.random((15, 4)), "b": RNG.random((15, 4))} for epoch in (0, 1)},
            path=tmp_path / f"a rather long name of run {number}",
        )
        for number in range(8)
    ]


@pytest.mark.parametrize("plot", [plots.gate_spread, plots.channel_std, plots.class_information])
def test_the_legend_of_eight_runs_leaves_room_for_the_axes(plot: Any, eight: list[Path]) -> None:
    ax = plot(eight)
    ax.figure.canvas.draw()
    legend, figure = ax.get_legend().get_window_extent(), ax.figure.bbox
    assert ax.get_window_extent().height / ax.figure.dpi > 1
    assert figure.y0 <= legend.y0
    assert legend.y1 <= figure.y1
    assert ax._left_title.get_window_extent().y0 >= legend.y1 - 4
    assert ax._left_title.get_window_extent().y1 <= figure.y1


@pytest.mark.parametrize("plot", [plots.gate_similarity, plots.epoch_similarity])
def test_the_titles_and_labels_of_eight_runs_are_apart(plot: Any, eight: list[Path]) -> None:
    ax = plot(eight)
    ax.figure.canvas.draw()
    panels = [panel for panel in ax.child_axes if panel.images]
    assert len(panels) == 8
    for part in ("title", "xaxis.label"):
        boxes = []
        for panel in panels:
            text = panel.title if part == "title" else panel.xaxis.label
            boxes.append(text.get_window_extent())
        assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))


def test_axes_of_the_user_keep_their_size(eight: list[Path]) -> None:
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(3, 5))
    plots.gate_spread(eight, ax=ax)
    assert figure.get_size_inches().tolist() == [3, 5]


def test_too_many_panels_say_how_to_have_fewer(eight: list[Path]) -> None:
    with pytest.raises(StripeError, match=r'got 16; give fewer recordings, .* side="after"'):
        plots.stripes(eight)
    assert len([panel for panel in plots.stripes(eight, side="after").child_axes if panel.images])
    with pytest.raises(StripeError, match=r"got 24; .* n_images=1"):
        plots.epoch_difference(eight)


def test_runs_without_common_images(write_recording: Write, tmp_path: Path) -> None:
    gates = {epoch: {"a": RNG.random((5, 4))} for epoch in (0, 1)}
    two = [
        write_recording(
            gates, path=tmp_path / str(first), images=range(first, first + 5), dataset="toys"
        )
        for first in (0, 9)
    ]
    with pytest.raises(RecordingError, match="an image in all of their epochs, and have none"):
        plots.epoch_difference(two)
    *_, bottom = plots.overview(two).child_axes
    assert "no image is in all epochs of all runs" in bottom.texts[-1].get_text().replace("\n", " ")


def test_a_gate_that_is_nan_is_blank(write_recording: Write) -> None:
    path = write_recording({epoch: {"a": np.full((6, 4), np.nan)} for epoch in (0, 1)})
    panel = plots.stripes(path, side="after")
    assert "nan" in panel.get_title(loc="left")
    shown: Any = panel.images[0].get_array()
    assert np.isnan(shown.filled(np.nan)).all()
    assert len(plots.gate_spread(path).patches) <= 1


def test_nan_and_infinity_do_not_set_a_colour_scale() -> None:
    assert colour_range(np.array([np.nan, 1, np.inf, 3, -np.inf])) == {"vmin": 1, "vmax": 3}
    assert colour_range(np.array([np.nan])) == {"vmin": 0, "vmax": 1}


@pytest.mark.parametrize(("text", "expected"), [
    ("short", "short"),
    ("a rather long name\nafter", "a rather\nlong name\nafter"),
    (r"$\mathbf{a}$  after, $\eta^2$ = 0.5", "$\\mathbf{a}$  after,\n$\\eta^2$ = 0.5"),
    ("no-space-in-this-name", "no-space-\nin-this-\nname"),
])  # fmt: skip
def test_lines_break_at_words(text: str, expected: str) -> None:
    assert wrapped(text, 10) == expected
