"""The stripe index of spatial maps."""

from pathlib import Path

import numpy as np
import pytest

from stripe.recording import Header, RecordedGate, RecordingWriter
from stripe.recording.schema import spatial_column
from stripe.stats import spatial_index


@pytest.mark.parametrize(("value", "one_value"), [(0.5, True), (None, False)])
def test_a_map_of_one_value_is_called_constant(
    tmp_path: Path, value: float | None, one_value: bool
) -> None:
    gate = RecordedGate(
        name="map", owner="owner", owner_class="CBAM", channels=1,
        kind="spatial", pooled=False, spatial=(2, 3),
    )  # fmt: skip
    values = np.random.default_rng(0).random((4, 6)) if value is None else np.full((4, 6), value)
    with (
        RecordingWriter(tmp_path / "r", Header(gates=(gate,))) as writer,
        writer.epoch(0) as part,
    ):
        part.write(np.arange(4), {spatial_column("map"): values.astype(np.float32)})
    (row,) = spatial_index(tmp_path / "r").itertuples()
    assert row.one_value is one_value
    assert (row.eta2 == 1) is one_value
