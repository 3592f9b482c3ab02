"""Debiased CKA, against Gram matrices and what it must be on average."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripe.errors import RecordingError, UnknownNameError
from stripe.stats import epoch_similarity, gate_similarity
from stripe.stats.similarity import debiased_cka


def hsic(x: Any, y: Any) -> float:
    """Song et al., equation 5, as it is written."""
    n, ones = len(x), np.ones(len(x))
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    whole = (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
    return float((np.trace(k @ m) + whole - 2 / (n - 2) * ones @ k @ m @ ones) / (n * (n - 3)))


def test_gates_are_chosen_by_names_patterns_and_predicates(
    write_recording: Callable[..., Path],
) -> None:
    values = np.random.default_rng(0).random((6, 4))
    path = write_recording({0: {"a.1": values, "a.2": values[:, :3], "b.1": values}})
    for gates, chosen in (
        ("a.*", ["a.1", "a.2"]),
        (["b.1", "a.?"], ["a.1", "a.2", "b.1"]),
        (lambda gate: gate.channels == 3, ["a.2"]),
    ):
        assert epoch_similarity(path, gates)["gate"].tolist() == chosen


def test_is_that_of_gram_matrices() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((12, 5))
    y = x[:, :3] * 2 + rng.random((12, 3))
    expected = hsic(x, y) / (hsic(x, x) * hsic(y, y)) ** 0.5
    assert debiased_cka(x, y) == pytest.approx(expected)
    assert debiased_cka(x + 100, y - 3) == pytest.approx(expected)
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    assert debiased_cka(7 * x @ rotation, y) == pytest.approx(expected)
    assert debiased_cka(x, 3 * x) == pytest.approx(1)


def test_has_no_bias_for_few_images_and_many_channels() -> None:
    rng = np.random.default_rng(0)
    found = [debiased_cka(rng.normal(size=(12, 60)), rng.normal(size=(12, 60))) for _ in range(300)]
    assert abs(np.mean(found)) < 0.02


def test_epochs_and_gates_are_compared(write_recording: Callable[..., Path]) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((20, 4)), rng.random((20, 4))
    path = write_recording({0: {"g": a, "h": a}, 3: {"g": 1 - a / 2, "h": b}})
    table = epoch_similarity(path).set_index(["gate", "epoch", "other"])["cka"]
    assert len(table) == 6
    assert table["g", 0, 3] == pytest.approx(1, abs=1e-5)
    assert table["h", 0, 3] == pytest.approx(debiased_cka(a, b), abs=1e-5)
    assert table["h", 3, 3] == pytest.approx(1)
    assert epoch_similarity(path, "h", [3])["cka"].tolist() == pytest.approx([1])
    gates = gate_similarity(path).set_index(["gate", "other"])["cka"]
    assert gates["g", "h"] == pytest.approx(debiased_cka(a, b), abs=1e-5)
    assert gate_similarity(path, 0)["cka"].tolist() == pytest.approx([1, 1, 1])


def test_a_constant_gate_has_no_similarity(write_recording: Callable[..., Path]) -> None:
    path = write_recording({0: {"g": np.full((5, 2), 0.25)}})
    assert gate_similarity(path)["cka"].isna().all()


def test_bad_input_is_one_line(write_recording: Callable[..., Path]) -> None:
    path = write_recording({0: {"g": np.ones((3, 2))}})
    with pytest.raises(RecordingError, match=r"\Aat least 4 images must be in all epochs .* 3 are"):
        epoch_similarity(path)
    with pytest.raises(RecordingError, match=r"\Aat least 4 images must be recorded .* has 3\Z"):
        gate_similarity(path)
    more = write_recording({0: {"g": np.ones((5, 2))}}, path=path.parent / "more")
    with pytest.raises(UnknownNameError, match="'h'"):
        epoch_similarity(more, "h")


def test_rounding_is_like_nothing() -> None:
    values = np.full((50, 8), 0.5, dtype=np.float32)
    values[::3] += np.float32(6e-8)
    assert np.isnan(debiased_cka(values, values))
    values[:, 0] = np.linspace(0, 1e-3, 50)  # one channel varies, little
    values[:, 1] = 1e4
    assert debiased_cka(values, values) == pytest.approx(1)
