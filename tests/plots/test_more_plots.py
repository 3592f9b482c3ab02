"""Plots of Grad-CAM maps, spatial attention, the spread of gates, and freezing."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.lines import Line2D

import stripe
from stripe import plots, stats
from stripe.errors import RecordingError, UnknownNameError
from stripe.gradcam import MeanCam

CAM = MeanCam(
    mean=np.arange(48.0).reshape(6, 8) / 48,
    mean_image=np.ones((3, 6, 8)),
    n_images=5,
    central_share=0.3125,
    uniform_share=0.25,
)


def heights(line: Line2D) -> list[float]:
    return [float(height) for height in np.asarray(line.get_ydata())]


def test_mean_cam_shows_the_map_in_the_colours_of_its_bar() -> None:
    ramp = np.tile(np.arange(8.0), (3, 6, 1))
    ax = plots.mean_cam(replace(CAM, mean_image=ramp))
    (heat,) = ax.get_images()
    np.testing.assert_array_equal(np.asarray(heat.get_array()), CAM.mean)
    assert heat.get_alpha() is None
    outlines = [path for lines in ax.collections for path in lines.get_paths() if len(path)]
    assert outlines  # of the image
    for path in outlines:
        assert np.ptp(np.asarray(path.vertices)[:, 0]) < 1e-9  # upright, as the ramp's are
    share = "31 % in the central quarter\n(uniform: 25 %)"
    assert ax.get_xlabel() == f"{share}\nlines: mean image"
    assert plots.mean_cam(CAM).get_xlabel() == share
    assert not plots.mean_cam(CAM).collections  # an image of one brightness has no outlines
    outline: Any = ax.patches[0]
    assert outline.get_bbox().bounds == (1.5, 1.0, 4.0, 3.0)
    alone = plots.mean_cam(CAM, image=False, centre=False, vmin=0)
    assert len(alone.get_images()) == 1
    assert not alone.patches


@pytest.fixture
def spatial(tmp_path: Path) -> stripe.Recording:
    model = stripe.build("resnet20", attention="cbam", num_classes=4, seed=0)
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    stripe.record(model, [images], tmp_path / "r", spatial=True, progress=False)
    return stripe.open_recording(tmp_path / "r")


def test_spatial_attention_has_a_row_per_image_and_a_column_per_block(
    spatial: stripe.Recording,
) -> None:
    ax = plots.spatial_attention(spatial, n_images=2)
    panels: Any = ax.child_axes
    assert [panel.get_title() for panel in panels if panel.get_title()] == [
        "layer1.0",
        "layer1.1",
        "layer2.0",
        "layer2.1",
        "layer3.0",
        "layer3.1",
    ]
    assert len(panels) == 12
    name = "layer1.0.bn3.gate.spatial"
    label = panels[0].get_ylabel()
    maps = spatial.spatial(name, 0)
    np.testing.assert_array_equal(
        np.asarray(panels[0].get_images()[0].get_array()), maps[int(label.removeprefix("image\n"))]
    )
    chosen = [int(panel.get_ylabel().removeprefix("image\n")) for panel in panels[:2]]
    limits = panels[1].get_images()[0].get_clim()  # one scale for the images of a block
    np.testing.assert_allclose(limits, (maps[chosen].min(), maps[chosen].max()))
    gate = spatial.values("layer1.0.bn3.gate.channel", 0)
    indices = [stats.eta2_of(maps.reshape(len(maps), -1)), stats.eta2_of(gate)]
    assert panels[1].get_xlabel().splitlines()[1:] == [
        f"{kind} {index:.2f}" for kind, index in zip(("map", "gate"), indices, strict=True)
    ]
    assert [text.get_text() for text in panels[1].texts] == ["colours\n$\\eta^2$ of"]
    one = plots.spatial_attention(spatial, gates=[name], n_images=99)
    assert len(one.child_axes) == 5
    two: Any = plots.spatial_attention(spatial, gates="layer1.*", n_images=1)
    assert [panel.get_title() for panel in two.child_axes] == ["layer1.0", "layer1.1"]
    with pytest.raises(UnknownNameError, match=f"no spatial map '{name}s'; nearest: {name}"):
        plots.spatial_attention(spatial, gates=f"{name}s")


def test_spatial_attention_needs_maps(tmp_path: Path) -> None:
    model = stripe.build("resnet20", attention="se", seed=0)
    stripe.record(model, [torch.zeros(2, 3, 32, 32)], tmp_path / "r", progress=False)
    with pytest.raises(RecordingError, match="holds no spatial maps; record with spatial=True"):
        plots.spatial_attention(stripe.open_recording(tmp_path / "r"))


def test_gate_spread_boxes_hold_the_quantiles(spatial: stripe.Recording) -> None:
    moments = stats.channel_moments(spatial)
    ax = plots.gate_spread(spatial)
    medians = [line[0] for line in map(heights, ax.lines) if len(set(line)) == 1]
    drawn = np.concatenate([heights(line) for line in ax.lines])
    for share in (0.05, 0.25, 0.75, 0.95):
        for value in moments.groupby("gate", sort=False)["std"].quantile(share):
            assert np.isclose(drawn, value).any()
    expected = moments.groupby("gate", sort=False)["std"].median()
    for value in expected:
        assert np.isclose(medians, value).any()
    assert len(ax.patches) == 6
    assert ax.get_xlabel() == "gate, in forward order\nwhiskers: 5 to 95 % of channels"
    many = pd.concat([moments.assign(gate=f"g{number}") for number in range(60)])
    assert len(plots.gate_spread(many).get_xticks()) <= 12


def test_a_mean_map_is_short_in_a_console() -> None:
    assert repr(CAM).startswith("MeanCam(5 images, 6 x 8: ")
    assert len(repr(CAM)) < 100
    assert "<img" in CAM._repr_html_()


def test_noise_bound_draws_bound_and_growth_of_each_network() -> None:
    table = pd.DataFrame({"bound": [2.0, 6.0], "cumulated": [1.5, 2.0]})
    ax = plots.noise_bound({"bare": table, "asr": table / 2})
    legend: Any = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["bare", "asr"]
    assert ax.get_ylabel() == "growth of noise\n(dashed: bound)"
    assert [line.get_linestyle() for line in ax.lines] == ["--", "-", "--", "-"]
    assert heights(ax.lines[0]) == [2, 6]
    assert heights(ax.lines[3]) == [0.75, 1]
    assert ax.get_yscale() == "log"
    alone = plots.noise_bound(table)
    assert len(alone.lines) == 2
    legend = alone.get_legend()
    assert not legend.get_texts()


def test_freezing_draws_agreement_and_accuracy() -> None:
    table = pd.DataFrame({"frozen": [0, 1, 2], "agreement": [1, 0.9, 0.5], "accuracy": [0.8] * 3})
    ax: Any = plots.freezing(table, threshold=0.95)
    top, bottom = ax.child_axes
    (agreement, threshold), (accuracy,) = top.lines, bottom.lines
    assert (top.get_ylabel(), bottom.get_ylabel()) == ("agreement (%)", "accuracy (%)")
    assert heights(agreement) == [100, 90, 50]
    assert heights(accuracy) == [80, 80, 80]
    assert heights(threshold)[0] == 95
    assert len(plots.freezing(table.assign(accuracy=float("nan"))).lines) == 1


def test_freezing_draws_the_intervals_of_the_table() -> None:
    table = pd.DataFrame(
        {"frozen": [0, 1], "agreement": [0.5, 0.9], "accuracy": [float("nan")] * 2}
    )
    ax: Any = plots.freezing(table.assign(agreement_low=[0.4, 0.8], agreement_high=[0.6, 1.0]))
    (band,) = ax.collections
    ends = {round(float(y), 6) for x, y in band.get_paths()[0].vertices if x == 0}
    assert ends == {40, 60}
    assert ax.get_xlabel().endswith("bands: 95 % intervals")
    assert not plots.freezing(table).collections


def test_spatial_attention_shows_the_images_beside_the_maps(spatial: stripe.Recording) -> None:
    pictures = np.arange(5.0)[:, None, None] * np.ones((5, 4, 4)) / 5
    ax: Any = plots.spatial_attention(spatial, n_images=2, pictures=pictures)
    assert len(ax.child_axes) == 2 + 12
    ids = [int(panel.get_ylabel().removeprefix("image\n")) for panel in ax.child_axes[:2]]
    assert [panel.get_ylabel() for panel in ax.child_axes[2:]] == [""] * 12
    shown = [float(panel.images[0].get_array()[0, 0]) for panel in ax.child_axes[:2]]
    assert shown == [image / 5 for image in ids]
    assert ax.get_title(loc="left") == '"r"'


def test_spatial_attention_has_square_panels_without_gaps(spatial: stripe.Recording) -> None:
    ax: Any = plots.spatial_attention(spatial, gates=["layer1.0.bn3.gate.spatial"], n_images=4)
    ax.figure.canvas.draw()
    boxes = [panel.get_window_extent() for panel in ax.child_axes]
    assert len(boxes) == 4
    for upper, lower in pairwise(boxes):
        assert 0 < upper.y0 - lower.y1 < 0.15 * upper.height


def test_a_map_without_a_bar_is_on_the_given_scale() -> None:
    ax: Any = plots.mean_cam(CAM, bar=False, vmin=0, vmax=2)
    assert ax.images[0].get_clim() == (0, 2)
    assert ax.figure.axes == [ax]
    with_bar: Any = plots.mean_cam(CAM)
    assert len(with_bar.figure.axes) == 2


TABLE = pd.DataFrame({
    "network": ["bare", "se"],
    "noise": "none",
    "accuracy": [0.7, 0.8],
    "images_per_s": [9.0, 8.0],
    "parameters": [1e6, 2e6],
    "bound": [2.0, 3.0],
    "cumulated": [1.0, 1.5],
    "frozen": [0, 1],
    "agreement": [1.0, 0.9],
})  # fmt: skip


@pytest.mark.parametrize("name", ["tradeoff", "noise_robustness", "noise_bound", "freezing"])
def test_a_heading_names_what_a_table_cannot(name: str) -> None:
    ax: Any = getattr(plots, name)(TABLE, heading="ResNet20, epoch 3")
    ax = ax.child_axes[0] if ax.child_axes else ax
    assert ax.get_title(loc="left") == "ResNet20, epoch 3"
    ax.figure.draw_without_rendering()
    names = [text.get_window_extent() for text in ax.get_legend().get_texts()]
    if names:
        assert ax._left_title.get_window_extent().y0 >= max(name.y1 for name in names)
    assert plots.mean_cam(CAM, heading="layer3").get_title(loc="left") == "layer3"


def test_bounds_of_one_file_name_are_told_apart_by_their_folders(
    tmp_path: Path, run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(
        "stripe.cli.plot_tables.save_plot", lambda *given, **_: drawn.update(given[1])
    )
    for network in ("a", "b"):
        (tmp_path / network).mkdir()
        pd.DataFrame({"bound": [2.0]}).to_csv(tmp_path / network / "bound.csv")
    files = [tmp_path / network / "bound.csv" for network in ("a", "b")]
    assert run("plot", "noise-bound", *files, "--out", tmp_path / "x.png")[0] == 0
    assert sorted(drawn) == ["a/bound", "b/bound"]
