"""What the artists hold, not their pixels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import Colormap

import stripe
from stripe import plots
from stripe.errors import RecordingError, UnknownNameError
from stripe.recording import Recording, open_recording
from stripe.stats import epoch_difference, stripe_index
from stripe.train import TrainConfig

#: Where no line ends.
BETWEEN = "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"


@pytest.fixture
def recording(write_recording: Callable[..., Path]) -> Recording:
    rng = np.random.default_rng(0)
    values = {
        epoch: {"a": rng.random((30, 12)), "b": rng.random((30, 70))} for epoch in (0, 1, 2, 5)
    }
    return open_recording(write_recording(values))


def shown(ax: Axes) -> np.ndarray:
    (image,) = ax.images
    return np.asarray(image.get_array())


def panels(ax: Axes) -> list[Any]:
    """Return the children with a picture each, without the colour bar."""
    return [child for child in ax.child_axes if len(child.images) == 1]


def test_stripes_shows_the_same_images_and_channels_on_both_sides(recording: Recording) -> None:
    ax = plots.stripes(recording, epoch=1, n_images=5, channels=60, seed=3)
    before, after = panels(ax)
    assert shown(after).shape == (5, 60)
    np.testing.assert_array_equal(shown(before), -shown(after))  # the fixture's inputs
    values = recording.values("b", 1)
    assert all(value in values for value in shown(after)[0])
    for panel in (before, after):
        assert panel.images[0].get_clim() == (shown(panel).min(), shown(panel).max())
    index = stripe_index(recording).query("gate == 'b' and epoch == 1")["eta2"].item()
    assert [panel.get_title(loc="left") for panel in (before, after)] == [
        rf"$\mathbf{{{part}}}$  {side}, $\eta^2$" + f"{BETWEEN}{index:.2f}"
        for part, side in (("a", "before"), ("b", "after"))
    ]
    bars = ax.child_axes[2:]
    assert [bar.get_ylabel() for bar in bars] == ["pooled feature", "gate"]
    assert before.get_xlabel() == "channel\n(60 of 70)"
    assert before.get_ylabel() == "image (5 of 30)"


def test_each_panel_has_a_colour_bar_of_its_own_unless_they_share_one(recording: Recording) -> None:
    own: Any = plots.stripes(recording, gate="a").child_axes
    assert len(own) == 4
    assert [bar.get_ylim() for bar in own[2:]] == [panel.images[0].get_clim() for panel in own[:2]]
    assert own[2].get_ylim()[1] < own[3].get_ylim()[0]  # the fixture's inputs are negative
    shared: Any = plots.stripes(recording, gate="a", scale="shared").child_axes
    assert len(shared) == 3
    assert {panel.images[0].get_clim() for panel in shared[:2]} == {shared[2].get_ylim()}
    assert shared[2].get_ylabel() == "value"


@pytest.mark.parametrize("value", [0.5, 0.0])
def test_rounding_is_not_drawn_in_all_colours(
    write_recording: Callable[..., Path], value: float
) -> None:
    values = np.full((6, 5), value, np.float32)
    values[::2] = np.nextafter(values[::2], np.float32(value))
    values[0] = np.nextafter(values[0], np.float32(1)) if value else values[0]
    ax = plots.stripes(open_recording(write_recording({0: {"g": values}})), side="after")
    low, high = ax.images[0].get_clim()
    assert low < value - 1e-3 < value + 1e-3 < high
    assert ax.get_title(loc="left").endswith(f"after, $\\eta^2${BETWEEN}1.00 (one value)")


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["own", "shared"])
@pytest.mark.parametrize("plot", [plots.stripes, plots.overview, plots.epoch_difference])
def test_labels_are_no_wider_than_their_axes(
    write_recording: Callable[..., Path], plot: Any, scale: str
) -> None:
    rng = np.random.default_rng(0)
    values = {epoch: {"g": 100 * rng.random((500, 2048))} for epoch in range(3)}
    options = {} if plot is plots.epoch_difference else {"scale": scale}
    ax = plot(open_recording(write_recording(values)), **options)
    ax.figure.canvas.draw()
    waiting = [ax]
    for panel in waiting:
        waiting += panel.child_axes
        width, label = panel.bbox.width, panel.xaxis.label
        assert not panel.axison or label.get_window_extent().width <= width, label


@pytest.mark.parametrize("size", [1e-4, 1.0, 99.0, 1e6])
def test_labels_of_colour_bars_stay_beside_the_next_panel(
    write_recording: Callable[..., Path], size: float
) -> None:
    values = size * (np.random.default_rng(0).random((9, 8)) - 0.5)
    with plots.paper_style():
        ax = plots.stripes(open_recording(write_recording({0: {"g": values}})))
        ax.figure.canvas.draw()
        _, after, bar, _ = ax.child_axes
        label = bar.yaxis.label
        assert label.get_window_extent().x1 < after.bbox.x0
        assert ("(" in label.get_text()) == (size in (1e-4, 1e6))


def test_stripes_of_one_side_draws_on_the_axes_itself(recording: Recording) -> None:
    _, mine = plt.subplots()
    ax = plots.stripes(recording, gate="a", side="after", channels=99, n_images=99, ax=mine)
    assert ax is mine
    assert shown(ax).shape == (30, 12)
    assert ax.get_xlabel() == "channel"
    np.testing.assert_allclose(np.sort(shown(ax), None), np.sort(recording.values("a", 5), None))


def test_a_seed_repeats_the_choice(recording: Recording) -> None:
    first, again, other = (
        shown(plots.stripes(recording, side="after", seed=seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_channel_std_shows_both_distributions(recording: Recording) -> None:
    ax = plots.channel_std(recording, gate="b", bins=7)
    assert ax.get_xlabel() == "standard deviation over images"
    legend = ax.get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["before: features", "after: gate"]
    assert ax.get_xlim()[0] == 0
    spread = recording.values("b", 5).astype(float).std(0)  # of the inputs too, up to their sign
    share = np.histogram(spread, bins=7)[0] / len(spread)
    outlines = [np.asarray(step.get_paths()[0].vertices) for step in ax.collections]
    assert [outline[:, 1].max() for outline in outlines] == pytest.approx([share.max()] * 2)


def test_epoch_difference_shows_channels_by_epochs(recording: Recording) -> None:
    ax = plots.epoch_difference(recording, gate="a", image_ids=[4, 7], channels=12, seed=0)
    first, second = panels(ax)
    assert (first.get_title(), second.get_title()) == ("image 4", "image 7")
    expected = epoch_difference(recording, "a", image_ids=[4, 7])
    np.testing.assert_array_equal(shown(first), expected[0].T)
    assert first.images[0].get_clim() == (0, expected.max())


def test_axes_have_the_numbers_of_images_and_channels(
    write_recording: Callable[..., Path],
) -> None:
    """One channel is the largest; its number stands below its column in every order."""
    values = np.random.default_rng(0).random((9, 50)) * 0.1
    values[:, 37] = 1
    recording = open_recording(write_recording({0: {"g": values}}, images=range(100, 109)))
    for order in ("random", "mean", "spread"):
        ax = plots.stripes(recording, side="after", channels=45, channel_order=order, seed=1)
        place = int(shown(ax).mean(0).argmax())
        assert ax.xaxis.get_major_formatter()(place) == "37"
        assert int(ax.yaxis.get_major_formatter()(0)) in range(100, 109)
    assert ax.get_xlabel() == "channel (45 of 50), by spread"


def test_runs_of_other_images_show_the_same_channels(
    write_recording: Callable[..., Path], tmp_path: Path
) -> None:
    values = np.arange(5 * 80.0).reshape(5, 80) % 80
    paths = [
        write_recording(
            {0: {"g": values}}, path=tmp_path / str(start), images=range(start, start + 5)
        )
        for start in (0, 50)
    ]
    first, second = panels(plots.stripes(paths, side="after"))
    np.testing.assert_array_equal(shown(first)[0], shown(second)[0])


def test_epoch_difference_shows_zero_as_black(recording: Recording) -> None:
    ax = plots.epoch_difference(recording, image_ids=[4])
    colours = ax.images[0].get_cmap()
    assert isinstance(colours, Colormap)
    assert max(colours(0.0)[:3]) < 0.02


def test_epochs_stand_at_their_numbers(write_recording: Callable[..., Path]) -> None:
    values = {epoch: {"g": np.random.default_rng(epoch).random((3, 4))} for epoch in (0, 5, 10)}
    ax = plots.epoch_difference(open_recording(write_recording(values)), image_ids=[0])
    label = ax.xaxis.get_major_formatter()
    assert [label(0), label(1), label(0.5), label(2)] == ["5", "10", "", ""]


def test_a_single_image_and_channel_have_one_tick_each(
    write_recording: Callable[..., Path],
) -> None:
    ax = plots.stripes(open_recording(write_recording({0: {"g": np.ones((1, 1))}})), side="after")
    low, high = sorted(ax.get_ylim())
    assert [tick for tick in ax.get_yticks() if low <= tick <= high] == [0]
    assert [tick for tick in ax.get_xticks() if low <= tick <= high] == [0]


def test_one_channel_is_fine(write_recording: Callable[..., Path]) -> None:
    values = {epoch: {"g": np.random.default_rng(epoch).random((3, 1))} for epoch in range(2)}
    recording = open_recording(write_recording(values))
    assert shown(plots.stripes(recording, side="after")).shape == (3, 1)
    assert shown(plots.epoch_difference(recording, image_ids=[0])).shape == (1, 1)
    spread = float(np.std(recording.values("g"), ddof=1))
    shapes = plots.channel_std(recording).collections
    bars = [path.get_extents() for shape in shapes for path in shape.get_paths()]
    assert any(bar.x0 <= spread <= bar.x1 for bar in bars)


def test_errors_say_what_to_do(recording: Recording) -> None:
    with pytest.raises(RecordingError, match="holds no epoch 9"):
        plots.stripes(recording, epoch=9)
    with pytest.raises(UnknownNameError, match=r"no recorded gate .zzz.; it has: a, b"):
        plots.stripes(recording, gate="zzz")


def test_sorted_images_have_lines_between_classes(recording: Recording) -> None:
    ax = plots.stripes(recording, gate="a", side="after", image_order="label", n_images=30)
    lines = [float(np.asarray(line.get_ydata())[0]) for line in ax.lines]
    assert lines == [9.5, 19.5]  # ten images of each of three classes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0", "1", "2"]
    assert ax.get_ylabel() == "label of image"
    options: Any = {"gate": "a", "side": "after", "image_order": "label", "n_images": 30}
    named = plots.stripes(recording, classes=["cat", "dog"], **options)
    assert [text.get_text() for text in named.get_yticklabels()] == ["cat", "dog", "2"]
    assert not plots.stripes(recording, gate="a", side="after").lines


def test_the_home_directory_is_meant_by_a_tilde(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    plots.save_figure(plots.gate_spread(recording), "~/spread.png")
    assert (tmp_path / "spread.png").exists()
    assert stripe.explore(recording).save("~/page.html") == tmp_path / "page.html"
    assert TrainConfig(out=Path("~/run")).out == tmp_path / "run"
