"""Moments of channels."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stripe.recording import open_recording
from stripe.recording.schema import gate_column
from stripe.stats import Moments, channel_moments


def test_by_hand(write_recording: Callable[..., Path]) -> None:
    path = write_recording({2: {"g": np.array([[1.0, 5], [3, 5], [8, 5]])}})
    table = channel_moments(open_recording(path))
    assert table.columns.tolist() == ["epoch", "gate", "channel", "n", "mean", "std", "min", "max"]
    first, second = table.to_dict("records")
    assert first == {
        "epoch": 2,
        "gate": "g",
        "channel": 0,
        "n": 3,
        "mean": 4.0,
        "std": pytest.approx((26 / 3) ** 0.5),
        "min": 1.0,
        "max": 8.0,
    }
    assert second["std"] == 0


@settings(deadline=None)
@given(
    arrays(np.float32, (7, 3), elements=st.floats(-1e3, 1e3, width=32)),
    st.lists(st.integers(1, 6), max_size=3, unique=True),
)
def test_merging_pieces_equals_the_whole(values: np.ndarray, cuts: list[int]) -> None:
    pieces = [Moments.of(piece) for piece in np.split(values, sorted(cuts))]
    merged = pieces[0]
    for piece in pieces[1:]:
        merged = merged.merge(piece)
    exact = values.astype(np.float64)
    assert merged.n == 7
    np.testing.assert_allclose(merged.mean, exact.mean(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(merged.std, exact.std(0), rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(merged.min, exact.min(0))
    np.testing.assert_array_equal(merged.max, exact.max(0))


def test_a_spread_far_below_the_mean_is_not_lost() -> None:
    """A stripe: sums of squares in float32 would return 0 or NaN here."""
    values = 0.5 + 1e-6 * np.random.default_rng(0).standard_normal((1000, 1)).astype(np.float32)
    merged = Moments.of(values[:300]).merge(Moments.of(values[300:]))
    np.testing.assert_allclose(merged.std, values.astype(np.float64).std(0), rtol=1e-9)


@pytest.mark.parametrize("shape", [(300, 7), (300, 1), (5, 40), (64, 16)])
def test_blocks_equal_the_whole(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    monkeypatch.setattr("stripe.stats.moments._BLOCK", 64)
    exact, found = values.astype(np.float64), Moments.of(values)
    assert found.n == len(values)
    np.testing.assert_allclose(found.mean, exact.mean(0), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.std, exact.std(0), rtol=1e-12)
    np.testing.assert_array_equal(found.min, exact.min(0))
    np.testing.assert_array_equal(found.max, exact.max(0))


def test_copies_in_float64_stay_small() -> None:
    values = np.ones((2**22, 1), np.float32)
    tracemalloc.start()
    try:
        Moments.of(values)
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20  # a copy of all takes 32 MiB
    finally:
        tracemalloc.stop()


def test_gates_are_read_in_pieces(
    write_recording: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    values = {name: rng.random((50, width)) for name, width in (("a.b", 3), ("c", 90), ("d", 2))}
    recording = open_recording(write_recording({0: values}))
    monkeypatch.setattr("stripe.recording.finished_part._PIECE", 2000)
    (part,) = recording.parts(0)
    pieces = list(part.pieces({name: gate_column(name) for name in values}))
    assert [[*piece] for piece in pieces] == [["a.b"], ["c"], ["d"]]
    table = channel_moments(recording)
    assert table["gate"].drop_duplicates().tolist() == ["a.b", "c", "d"]
    for name, array in values.items():
        means = table[table["gate"] == name]["mean"]
        np.testing.assert_allclose(means, array.astype(np.float32).mean(0, dtype=np.float64))


def test_row_groups_and_epochs_are_streamed(
    write_recording: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripe.recording.part.ROW_GROUP_BYTES", 100)
    rng = np.random.default_rng(0)
    values = {epoch: {"a": rng.random((50, 4)), "b": rng.random((50, 2))} for epoch in (0, 1)}
    recording = open_recording(write_recording(values))
    table = channel_moments(recording)
    assert len(table) == 2 * (4 + 2)
    for epoch, by_gate in values.items():
        for gate, array in by_gate.items():
            rows = table[(table["epoch"] == epoch) & (table["gate"] == gate)]
            exact = array.astype(np.float32).astype(np.float64)
            np.testing.assert_allclose(rows["mean"], exact.mean(0), rtol=1e-14)
            np.testing.assert_allclose(rows["std"], exact.std(0), rtol=1e-12)
    assert channel_moments(recording, epochs=[1])["epoch"].unique().tolist() == [1]
