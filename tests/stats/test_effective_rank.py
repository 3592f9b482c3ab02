"""In how many directions a gate varies, against singular values."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stripe.stats import effective_rank


def test_by_hand(write_recording: Callable[..., Path]) -> None:
    """Singular values 4 and 2 of the first: p = 2/3, 1/3, and (16 + 4)^2 / (256 + 16)."""
    two = np.array([[2.0, 0, 5], [-2, 0, 5], [2, 0, 5], [-2, 0, 5]]) + np.array(
        [[0, 1, 0], [0, 1, 0], [0, -1, 0], [0, -1, 0]]
    )
    line = np.outer([1.0, 2, 3, 4], [0.1, 0.2])
    table = effective_rank(
        write_recording({0: {"two": two, "line": line, "one": np.full((4, 3), 0.3)}})
    )
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert table["channels"].tolist() == [3, 2, 3]
    assert table["effective_rank"].tolist() == pytest.approx([np.exp(entropy), 1, 0])
    assert table["participation"].tolist() == pytest.approx([400 / 272, 1, 0])


def test_is_that_of_the_singular_values(write_recording: Callable[..., Path]) -> None:
    values = np.random.default_rng(0).normal(size=(60, 9)).astype(np.float32) * np.arange(1, 10)
    s = np.linalg.svd(values.astype(np.float32) - values.mean(0), compute_uv=False)
    p = s / s.sum()
    (row,) = effective_rank(write_recording({2: {"g": values}})).to_dict("records")
    assert row["epoch"] == 2
    assert row["effective_rank"] == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-4)
    assert row["participation"] == pytest.approx((s**2).sum() ** 2 / (s**4).sum(), rel=1e-4)


def test_pieces_add_up() -> None:
    from stripe.stats.effective_rank import _Scatter

    values = np.random.default_rng(0).random((20, 4))
    scatter = _Scatter(4)
    for piece in np.split(values, [3, 4, 15]):
        scatter.add(piece)
    centred = values - values.mean(0)
    np.testing.assert_allclose(scatter.matrix, centred.T @ centred)
    np.testing.assert_allclose(scatter.mean, values.mean(0))


def test_a_gate_that_is_not_finite_has_none(write_recording: Callable[..., Path]) -> None:
    values = np.random.default_rng(0).random((8, 3))
    broken = values.copy()
    broken[2, 1] = np.nan
    table = effective_rank(write_recording({0: {"broken": broken, "whole": values}}))
    assert table["effective_rank"].isna().tolist() == [True, False]
    assert table["participation"].isna().tolist() == [True, False]
