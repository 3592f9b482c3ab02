"""A recording is read by whoever reads Arrow, with nothing of ours."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from torch import Tensor, nn

import stripe
from stripe.errors import RecordingError
from stripe.recording import open_recording


def test_all_epochs_stream(write_recording: Callable[..., Path]) -> None:
    rng = np.random.default_rng(0)
    values = {epoch: {"g": rng.random((7, 3)), "h": rng.random((7, 2))} for epoch in (0, 4)}
    recording = open_recording(write_recording(values))
    table = pa.table(recording)
    assert table.column_names[:4] == ["epoch", "image", "label", "prediction"]
    assert table["epoch"].to_pylist() == [0] * 7 + [4] * 7
    for gate in "gh":
        rows = table.filter(pa.compute.equal(table["epoch"], 4))[f"gate/{gate}"].to_pylist()
        np.testing.assert_array_equal(np.array(rows, np.float32), recording.values(gate, 4))
    frame = pl.DataFrame(recording)
    assert frame["image"].to_list() == [*range(7)] * 2
    np.testing.assert_array_equal(
        np.array(frame["gate/h"].to_list(), np.float32)[:7], recording.values("h", 0)
    )


def test_moments_have_no_rows(small_model: nn.Sequential, images: Tensor, tmp_path: Path) -> None:
    recording = stripe.record(small_model, [images], tmp_path / "r", values=False, progress=False)
    with pytest.raises(RecordingError, match="holds moments only"):
        pa.table(recording)
