"""Which epochs statistics read: those given, or all, of which there must be one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stripe import stats
from stripe.errors import RecordingError
from stripe.recording import Header, RecordedGate, RecordingWriter


def test_an_iterator_of_epochs_counts_for_every_recording(
    write_recording: Callable[..., Path], tmp_path: Path
) -> None:
    values = {epoch: {"g": np.ones((2, 3))} for epoch in range(3)}
    paths = [write_recording(values, path=tmp_path / name) for name in "ab"]
    table = stats.channel_moments(paths, iter([0, 2, 2]))
    assert table.groupby("recording")["epoch"].unique().map(list).tolist() == [[0, 2], [0, 2]]


def test_statistics_of_a_recording_without_an_epoch_are_an_error(tmp_path: Path) -> None:
    gate = RecordedGate(name="g", owner="g", owner_class="Gated", channels=2)
    RecordingWriter(tmp_path / "r", Header(gates=(gate,))).close()
    for statistic in (
        stats.stripe_index,
        stats.channel_moments,
        stats.variance_components,
        stats.effective_rank,
        stats.epoch_similarity,
    ):
        with pytest.raises(RecordingError, match="holds no epoch yet; record one first"):
            statistic(tmp_path / "r")
