"""Gates of any name come back under it, from our reader and from pandas."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from stripe.recording import Header, RecordedGate, RecordingWriter, open_recording
from stripe.recording.layout import MOST_EPOCHS

pytestmark = pytest.mark.slow

#: Any text that UTF-8 holds, and so a Parquet column.
NAMES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    min_size=1,
    max_size=4,
    unique=True,
)


def test_gates_of_any_name(times: Callable[[int, int], int], seed: int) -> None:
    @seeded(seed)
    @settings(max_examples=times(50, 2000), deadline=None, database=None)
    @given(NAMES, st.integers(0, MOST_EPOCHS - 1))
    def holds(names: list[str], epoch: int) -> None:
        gates = tuple(
            RecordedGate(name=n, owner=n, owner_class="", channels=1, pooled=False) for n in names
        )
        vectors = {f"gate/{n}": np.full((2, 1), i, np.float32) for i, n in enumerate(names)}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "r"
            with RecordingWriter(path, Header(gates=gates)) as writer, writer.epoch(epoch) as part:
                part.write(np.arange(2), vectors)
            recording = open_recording(path)
            assert recording.epochs == [epoch]
            assert recording.gates["name"].tolist() == names
            recording.verify()
            frame = pd.read_parquet(path / f"data/epoch={epoch}/part-0.parquet")
            for i, name in enumerate(names):
                assert (recording.values(name, epoch) == i).all()
                assert [row.tolist() for row in frame[f"gate/{name}"]] == [[i], [i]]

    holds()
