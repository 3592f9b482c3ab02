"""Plots of tables: what the artists hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from scipy.stats import binomtest

from stripe import plots
from stripe.errors import RecordingError, StripeError
from stripe.plots.choose import Choice, view
from stripe.recording import Recording, open_recording
from stripe.stats.share_interval import share_interval

NETWORKS = pd.DataFrame({
    "network": ["bare", "se", "asr(se) folded", "asr(SRM)"],
    "accuracy": [0.7, 0.75, 0.74, 0.73],
    "images_per_s": [100.0, 80.0, 99.0, 101.0],
    "parameters": [1_730_000, 1_930_000, 1_730_000, 90_000],
})  # fmt: skip


def test_tradeoff_is_accuracy_against_speed() -> None:
    ax = plots.tradeoff(NETWORKS)
    markers: Any = ax.collections
    places = np.vstack([marker.get_offsets() for marker in markers])
    np.testing.assert_allclose(places, np.c_[NETWORKS["images_per_s"], 100 * NETWORKS["accuracy"]])
    sizes = [float(marker.get_sizes()[0]) for marker in markers]
    np.testing.assert_allclose(sizes[:3], 70 * np.array([1.73, 1.93, 1.73]) / 1.93)  # areas
    assert sizes[3] == 15  # the least
    colours = [tuple(marker.get_facecolor()[0][:3]) for marker in markers]
    assert colours[1] == colours[2]  # SE and its ASR
    assert len(set(colours)) == 3
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("images per second", "accuracy (%)")
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        *("bare (1.73 M)", "se (1.93 M)", "asr(se) folded (1.73 M)", "asr(SRM) (90.0 k)"),
    ]


def test_tradeoff_of_means_has_their_spread() -> None:
    runs = pd.concat([NETWORKS.assign(accuracy=NETWORKS["accuracy"] + d) for d in (-0.01, 0.01)])
    means = NETWORKS.assign(accuracy_std=0.02**0.5 / 10, n=2)  # of the same two runs
    both: Any = [plots.tradeoff(data) for data in (runs, means)]
    one, other = (ax.containers[0].lines[2][0].get_segments() for ax in both)
    np.testing.assert_allclose(one, other)
    said = "images per second\nbars: standard deviation of 2 runs"
    assert both[0].get_xlabel() == both[1].get_xlabel() == said


def test_tradeoff_of_one_network() -> None:
    assert len(plots.tradeoff(NETWORKS.head(1)).collections) == 1


def test_tradeoff_has_the_interval_of_its_test_images() -> None:
    ax: Any = plots.tradeoff(NETWORKS.head(1), n_images=200)
    ((low, high),) = [np.asarray(path.vertices)[:, 1] for path in ax.collections[1].get_paths()]
    accuracy = float(NETWORKS["accuracy"].iloc[0])
    ours = binomtest(round(200 * accuracy), 200).proportion_ci(method="wilson")
    if abs(200 * accuracy - round(200 * accuracy)) < 1e-9:
        np.testing.assert_allclose([low, high], [100 * ours.low, 100 * ours.high])
    assert low < 100 * accuracy < high
    assert ax.get_xlabel() == "images per second\nbars: 95 % interval, 200 images"


def test_tradeoff_of_several_seeds_is_mean_and_spread() -> None:
    table = pd.DataFrame({
        "network": ["bare", "bare", "bare"],
        "accuracy": [0.5, 0.6, 0.7],
        "images_per_s": [100.0] * 3,
        "parameters": [1e6] * 3,
    })  # fmt: skip
    ax: Any = plots.tradeoff(table)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), [(100, 60)])
    (bar,) = ax.collections[1].get_paths()
    np.testing.assert_allclose(bar.vertices[:, 1], [50, 70])
    assert ax.get_xlabel().endswith("standard deviation of 3 runs")


def test_a_single_run_has_no_bar_and_is_not_counted() -> None:
    table = pd.DataFrame({
        "network": ["a"] * 4,
        "noise": ["none", *["random:0.1,0.1"] * 3],
        "accuracy": [0.8, 0.5, 0.6, 0.7],
    })  # fmt: skip
    said = plots.noise_robustness(table).get_xlabel()
    assert said == "noise\nbars: standard deviation of 3 runs"


@pytest.mark.parametrize("successes", [0, 3, 100, 199, 200])
def test_the_interval_of_a_share_is_wilsons(successes: int) -> None:
    expected = binomtest(successes, 200).proportion_ci(method="wilson")
    low, high = share_interval(np.array([successes / 200]), 200)
    np.testing.assert_allclose((low[0], high[0]), (expected.low, expected.high), atol=1e-12)


def test_batch_dial_has_a_curve_per_variant() -> None:
    table = pd.DataFrame({
        "variant": ["in"] * 3 + ["bn"] * 3,
        "batch_size": [4, 1, 2] * 2,
        "spread": [0.0, 0.0, 0.0, 0.2, 0.0, 0.3],
    })  # fmt: skip
    ax = plots.batch_sensitivity(table)
    lines: Any = ax.lines
    assert [line.get_label() for line in lines] == ["in", "bn"]
    np.testing.assert_array_equal(lines[1].get_xydata(), [(1, 0), (2, 0.3), (4, 0.2)])
    assert ax.get_xticks().tolist() == [1, 2, 4]
    assert (ax.get_xlabel(), ax.get_ylim()[0]) == ("images per batch", 0)
    with pytest.raises(StripeError, match="and lacks spread"):
        plots.batch_sensitivity(table.drop(columns="spread"))


def test_noise_robustness_is_mean_and_spread_over_runs() -> None:
    table = pd.DataFrame({
        "network": ["bare"] * 4 + ["asr(se)"] * 2,
        "noise": ["none", "none", "constant:0.8,0.8", "constant:0.8,0.8", "none", "none"],
        "accuracy": [0.70, 0.72, 0.5, 0.6, 0.8, 0.8],
    })  # fmt: skip
    ax = plots.noise_robustness(table)
    bare, asr = ax.containers
    line: Any = bare[0]
    np.testing.assert_allclose(line.get_ydata(), [71, 55])
    np.testing.assert_allclose(line.get_xdata(), [-0.3, 0.7])
    bars: Any = bare[2]
    low, high = bars[0].get_segments()[1][:, 1]
    assert (high - low) / 2 == pytest.approx(100 * np.std([0.5, 0.6], ddof=1))
    other: Any = asr[0]
    np.testing.assert_allclose(other.get_ydata(), [80, np.nan])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["none", "constant\n0.8,0.8"]
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["bare", "asr(se)"]
    assert to_rgb(line.get_color()) != to_rgb(other.get_color())


@pytest.mark.parametrize("plot", [plots.tradeoff, plots.noise_robustness])
def test_a_table_without_a_column_is_named(plot: Callable[..., Any]) -> None:
    with pytest.raises(StripeError, match="lacks accuracy"):
        plot(NETWORKS.drop(columns="accuracy").assign(noise="none"))
    with pytest.raises(StripeError, match="at least one row"):
        plot(NETWORKS.assign(noise="none").head(0))


def test_style_grid_has_a_column_per_method() -> None:
    pictures = [np.full((4, 6, 3), value) for value in (0.2, 0.4)]
    ax = plots.style_grid({"content": pictures, "ASR": pictures[::-1]}, rows=["dog", "cat"])
    panels: Any = ax.child_axes
    shown = [float(panel.images[0].get_array()[0, 0, 0]) for panel in panels]
    assert shown == [0.2, 0.4, 0.4, 0.2]
    assert [panel.get_title() for panel in panels] == ["content", "ASR", "", ""]
    assert [panel.get_ylabel() for panel in panels] == ["dog", "", "cat", ""]
    noted = plots.style_grid(
        {"content": pictures, "ASR": pictures}, captions={"ASR": ["one", "two"]}, note="by hand"
    )
    below: Any = noted.child_axes
    assert [panel.get_xlabel() for panel in below] == ["", "one", "", "two"]
    assert noted.texts[0].get_text() == "by hand"
    with pytest.raises(StripeError, match="needs a caption, and those of ASR do not"):
        plots.style_grid({"content": pictures, "ASR": pictures}, captions={"ASR": ["one"]})


@pytest.mark.parametrize("columns", [{}, {"a": []}, {"a": [np.ones((2, 2))], "b": []}])
def test_style_grid_wants_full_columns(columns: dict[str, Any]) -> None:
    with pytest.raises(StripeError, match="equally many pictures"):
        plots.style_grid(columns)


@pytest.fixture
def recording(write_recording: Callable[..., Path]) -> Recording:
    rng = np.random.default_rng(0)
    return open_recording(
        write_recording({
            epoch: {"wide": rng.random((9, 2048)), "one": rng.random((9, 1))} for epoch in (0, 1)
        })
    )  # fmt: skip


def picture(ax: Any) -> np.ndarray:
    return np.asarray(ax.images[0].get_array())


def test_orders_of_channels_and_images(recording: Recording) -> None:
    values = recording.values("wide", 1)
    options: dict[str, Any] = {"gate": "wide", "side": "after", "n_images": 9, "channels": 40}
    by_mean = picture(plots.stripes(recording, channel_order="mean", **options))
    means = [values[:, np.all(np.isin(values, column), axis=0)].mean() for column in by_mean.T]
    assert means == sorted(means)
    by_spread = picture(plots.stripes(recording, channel_order="spread", **options)).std(axis=0)
    assert np.all(np.diff(by_spread) >= 0)
    by_label = picture(plots.stripes(recording, image_order="label", channels=2048, **{
        name: value for name, value in options.items() if name != "channels"
    }))  # fmt: skip
    row_of = {row.tobytes(): index for index, row in enumerate(np.sort(values, axis=1))}
    shown = [row_of[np.sort(row).tobytes()] % 3 for row in by_label]  # labels are index % 3
    assert shown == sorted(shown)


def test_overview_holds_stripes_spread_and_difference(recording: Recording) -> None:
    ax = plots.overview(recording, gate="wide", side="after", n_images=4)
    top, middle, bottom = ax.child_axes
    assert picture(top).shape == (4, 60)
    assert middle.get_xlabel() == "standard deviation over images"
    panels: Any = bottom.child_axes[:3]
    assert [picture(panel).shape for panel in panels] == [(20, 1)] * 3
    shown = view(recording, "wide", 1, Choice(n_images=4)).rows
    assert [panel.get_title() for panel in panels] == [f"image {row}" for row in shown[:3]]
    alone = plots.stripes(recording, gate="wide", side="after", n_images=4)
    np.testing.assert_array_equal(picture(top), picture(alone))


def test_overview_of_one_channel(recording: Recording) -> None:
    ax = plots.overview(recording, gate="one", n_images=1, channels=1, channel_order="spread")
    panels: Any = ax.child_axes[0].child_axes[:2]
    titles = [panel.get_title(loc="left") for panel in panels]
    assert [title.split(",")[0] for title in titles] == ["before", "after"]
    ax.figure.canvas.draw()


def test_overview_of_one_epoch(write_recording: Callable[..., Path], tmp_path: Path) -> None:
    path = write_recording({3: {"a": np.random.default_rng(0).random((5, 4))}}, path=tmp_path / "s")
    ax = plots.overview(open_recording(path))
    remark = ax.child_axes[2].texts[-1].get_text().replace("\n", " ")
    assert remark == "changes over epochs cannot be drawn: only one epoch is recorded"
    whole = write_recording({e: {"a": np.ones((5, 4))} for e in (0, 1)}, path=tmp_path / "t")
    figures: Any = [ax.figure, plots.overview(open_recording(whole)).figure]
    lower, higher = (figure.get_figheight() for figure in figures)
    assert lower < 0.8 * higher


def test_an_order_that_was_not_recorded(tmp_path: Path) -> None:
    import torch

    import stripe

    model = stripe.build("resnet11", attention="se", num_classes=4)
    stripe.record(model, [torch.randn(3, 3, 16, 16)], tmp_path / "r", progress=False)
    with pytest.raises(RecordingError, match="holds no label"):
        plots.stripes(open_recording(tmp_path / "r"), image_order="label")


@pytest.mark.parametrize("option", ["side", "image_order", "channel_order", "scale"])
@pytest.mark.usefixtures("as_a_user")
def test_misspelt_options_are_refused(recording: Recording, option: str) -> None:
    with pytest.raises(StripeError, match=f"{option} is one of .*, got 'misspelt'"):
        plots.stripes(recording, **{option: "misspelt"})  # type: ignore[arg-type]


def test_one_missing_number_does_not_hide_the_others(write_recording: Callable[..., Path]) -> None:
    values = np.random.default_rng(0).random((9, 5))
    values[2, 3] = np.nan
    drawn = plots.stripes(open_recording(write_recording({0: {"a": values}})), side="after")
    low, high = drawn.images[0].get_clim()
    assert [low, high] == pytest.approx([np.nanmin(values), np.nanmax(values)])


def test_options_reach_the_artists(recording: Recording) -> None:
    from matplotlib.colors import LogNorm

    options: dict[str, Any] = {"gate": "one", "side": "after"}
    assert isinstance(plots.stripes(recording, norm=LogNorm(), **options).images[0].norm, LogNorm)
    bars: Any = plots.noise_robustness(
        NETWORKS.assign(noise="none"), marker="s", label="mine"
    ).containers
    assert bars[0][0].get_marker() == "s"
    assert bars[0].get_label() == "mine"
    grid: Any = plots.style_grid({"a": [np.full((2, 2), 0.2)]}, cmap="magma")
    assert grid.child_axes[0].images[0].get_clim() == (0, 1)
    assert grid.child_axes[0].images[0].get_cmap().name == "magma"


def test_more_panels_than_can_be_read(recording: Recording) -> None:
    with pytest.raises(StripeError, match="at most 8 panels"):
        plots.epoch_difference(recording, gate="one", n_images=9)


def test_an_epoch_that_was_not_recorded(recording: Recording) -> None:
    with pytest.raises(StripeError, match="no epoch 9; recorded: 0, 1"):
        plots.gate_spread(recording, epoch=9)


def test_text_is_no_accuracy() -> None:
    with pytest.raises(StripeError, match="accuracy of the table must hold numbers"):
        plots.tradeoff(NETWORKS.assign(accuracy=["high"] * 4))
