"""What stands for a recording, itself or its directory; the last epoch, where none is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

import stripe
from stripe.errors import RecordingError
from stripe.recording import open_recording


@pytest.fixture
def path(write_recording: Callable[..., Path]) -> Path:
    rng = np.random.default_rng(0)
    return write_recording({epoch: {"g": rng.random((6, 4))} for epoch in (0, 2)})


def drawn(ax: Axes) -> list[bytes]:
    """Return what the images, lines and shapes of a figure hold."""
    figure = ax.figure
    held: list[Any] = [image.get_array() for image in figure.findobj(AxesImage)]
    held += [line.get_xydata() for line in figure.findobj(Line2D)]
    held += [path.vertices for shape in figure.findobj(Collection) for path in shape.get_paths()]
    assert held
    return [np.asarray(array).tobytes() for array in held]


def test_a_directory_stands_for_its_recording(path: Path) -> None:
    opened = open_recording(path)
    assert open_recording(opened) is opened
    for of in (
        stripe.stats.channel_moments,
        stripe.stats.stripe_index,
        lambda data: stripe.stats.convergence_epoch(data, 0.5),
        lambda data: pd.DataFrame(stripe.stats.epoch_difference(data, "g")[:, 0]),
    ):
        pd.testing.assert_frame_equal(of(str(path)), of(opened))
    for draw in (
        stripe.plots.stripes,
        stripe.plots.channel_std,
        stripe.plots.epoch_difference,
        stripe.plots.overview,
        stripe.plots.gate_spread,
    ):
        assert drawn(draw(path)) == drawn(draw(opened))
    with pytest.raises(RecordingError, match="no recording at nowhere"):
        stripe.stats.stripe_index("nowhere")


def test_a_training_run_stands_for_its_recording(path: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    path.rename(tmp_path / "run" / "recording")
    opened = open_recording(tmp_path / "run")
    assert opened.path == tmp_path / "run" / "recording"
    assert opened.epochs == open_recording(opened.path).epochs


def test_the_last_epoch_unless_one_is_named(path: Path) -> None:
    recording = open_recording(path)
    assert recording.last_epoch == 2
    np.testing.assert_array_equal(recording.values("g"), recording.values("g", 2))
    np.testing.assert_array_equal(recording.inputs("g"), recording.inputs("g", epoch=2))
    assert not np.array_equal(recording.values("g"), recording.values("g", 0))
    pd.testing.assert_frame_equal(recording.images, recording.rows(2))
