"""Gates with infinite values: NaN or infinite numbers, and no warning, which would be an error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import stripe
from stripe import plots, stats

pytestmark = pytest.mark.slow  # every function with every kind of infinite values

#: Infinite values of a gate, by what they are.
KINDS: dict[str, Callable[[np.ndarray], Any]] = {
    "one": lambda v: v.__setitem__((3, 2), np.inf),
    "negative": lambda v: v.__setitem__((3, 2), -np.inf),
    "both signs": lambda v: v.__setitem__(([3, 4], 2), [np.inf, -np.inf]),
    "a channel": lambda v: v.__setitem__((slice(None), 1), np.inf),
    "all": lambda v: v.fill(np.inf),
    "large": lambda v: v.__imul__(3e38),  # the step to the next epoch overflows float32
}
STATISTICS = ("stripe_index", "variance_components", "effective_rank", "saturation")
BY_GATE = (*STATISTICS, "class_information", "epoch_similarity", "gate_similarity", "gate_spread")
OF_GATE = ("stripes", "channel_std", "overview", "epoch_difference")


@pytest.fixture(params=list(KINDS))
def path(request: pytest.FixtureRequest, write_recording: Callable[..., Path]) -> Path:
    values = np.random.default_rng(0).random((30, 6)) - 0.5
    KINDS[request.param](values)
    other = np.random.default_rng(1).random((30, 6))
    return write_recording({0: {"g": values, "h": other}, 1: {"g": -values, "h": other}})


def test_no_number_warns(path: Path) -> None:
    finite = bool(np.isfinite(stripe.open_recording(path).values("g", 0)).all())
    for name in STATISTICS:
        table = getattr(stats, name)(path)
        known = table.select_dtypes("float").notna().all(axis=1)
        assert known[table["gate"] == "h"].all(), name
        assert known[table["gate"] == "g"].all() == (finite or name == "saturation"), name
    table = stats.compare([path], epoch=[0, 1], resamples=100).set_index("gate")
    assert table.loc["g", ["difference", "low", "high"]].notna().to_numpy().all() == finite
    assert table.loc["h", ["difference", "low", "high"]].eq(0).to_numpy().all()
    steps = stats.epoch_difference(path, "g")
    assert np.isfinite(steps).all() == (finite and steps.max() < np.inf)
    assert stats.convergence_epoch(path, tol=0.1).set_index("gate")["epoch"]["h"].eq(0).all()
    assert np.isnan(stats.eta2_of(stripe.open_recording(path).values("g", 0))) == (not finite)


def test_moments_of_infinite_values(write_recording: Callable[..., Path]) -> None:
    values = np.array([[np.inf, np.inf, 0.1, np.nan], [0.5, -np.inf, 0.3, np.inf]])
    table = stats.channel_moments(write_recording({0: {"g": values}}))
    np.testing.assert_allclose(table["mean"], [np.inf, np.nan, 0.2, np.nan])
    np.testing.assert_allclose(table["std"], [np.nan, np.nan, 0.1, np.nan], rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in BY_GATE if name != "stripe_index"])
def test_no_plot_of_all_gates_warns(name: str, path: Path) -> None:
    options: dict[str, Any] = {"folds": 2} if name == "class_information" else {}
    getattr(plots, name)(path, **options).figure.canvas.draw()


@pytest.mark.parametrize("name", OF_GATE)
def test_no_plot_of_a_gate_warns(name: str, path: Path) -> None:
    getattr(plots, name)(path, gate="g").figure.canvas.draw()
    if name == "stripes":
        axes = plots.stripes(path, gate="g", channel_order="spread", side="after")
        assert axes.get_title(loc="left").count("not finite") == (not _finite(path))


def _finite(path: Path) -> bool:
    return bool(np.isfinite(stripe.open_recording(path).values("g", 1)).all())


@pytest.mark.filterwarnings("ignore:.*recorded values that are not finite")
def test_spatial_maps(tmp_path: Path) -> None:
    model = stripe.build("resnet8_basic", attention="cbam", num_classes=3, in_channels=1, seed=0)
    images = torch.rand(6, 1, 28, 28)
    images[2, 0, 4, 4] = torch.inf
    recording = stripe.record(
        model, [images], tmp_path / "r", spatial=True, progress=False, check=False
    )
    assert stats.spatial_index(recording)["eta2"].isna().all()
    plots.spatial_attention(recording, n_images=6).figure.canvas.draw()
