"""Intervals, p-values, Holm's correction and the number of seeds that would decide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stripe.reproduce.verdict import holm, interval, p_value, seeds_to_decide


def test_holm_by_hand() -> None:
    """Of 0.01, 0.04, 0.03: 3 x 0.01, then 2 x 0.03, then 0.04, which may not be below 0.06."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_was_not_tested_is_not_counted() -> None:
    corrected = holm([0.01, float("nan"), 0.5])
    assert corrected[0] == pytest.approx(0.02)
    assert np.isnan(corrected[1])
    assert corrected[2] == 0.5


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_a_correction_keeps_the_order_and_raises(p: list[float]) -> None:
    corrected = holm(p)
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()
    assert all(value <= more <= 1 for value, more in zip(p, corrected, strict=True))


def test_p_is_students() -> None:
    values = [1.0, 2.0, 4.0]
    assert p_value(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert p_value([-1.0, -2.0, -4.0]) == pytest.approx(p_value(values))
    assert p_value([2.0, 2.0]) == 0
    assert p_value([0.0, 0.0]) == 1
    assert np.isnan(p_value([1.0]))


def test_p_and_interval_agree() -> None:
    for values in ([1.0, 2.0, 4.0], [1.0, 1.1, 1.2], [-1.0, -1.1], [0.3, -0.2, 0.1, 0.2]):
        assert (p_value(values) < 0.05) == (interval(values)["holds"] in ("yes", "no"))


def test_seeds_that_would_decide() -> None:
    """Mean 1 and std 1, against the exact power of the test."""
    assert seeds_to_decide([0.0, 1.0, 2.0]) == 10
    powers = [of_student(n, 0.025) for n in (9, 10)]  # of the exact test, a little below and above
    assert powers == pytest.approx([0.75, 0.80], abs=0.01)
    n = seeds_to_decide([0.0, 1.0, 2.0], tests=39)
    assert n is not None
    assert of_student(n, 0.025 / 39) == pytest.approx(0.8, abs=0.03)
    assert seeds_to_decide([1.0, 1.0]) == 2
    assert seeds_to_decide([-1.0, 1.0]) is None
    assert seeds_to_decide([1.0]) is None


def of_student(n: int, level: float) -> float:
    """Return the power of Student's test for a mean of one spread."""
    bound = stats.t.ppf(1 - level, n - 1)
    return float(stats.nct.sf(bound, n - 1, np.sqrt(n)))
