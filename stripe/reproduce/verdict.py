"""The statistics of a claim: Student's interval over seeds, its verdict, Holm's correction."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

#: Confidence level of the intervals of a claim.
CONFIDENCE = 0.95
#: Probability with which `seeds_to_decide` seeds decide a claim.
POWER = 0.8
#: Largest number of seeds that `seeds_to_decide` considers.
MOST_SEEDS = 1000


def interval(values: Sequence[float]) -> dict[str, object]:
    """Return mean, interval and verdict of numbers that a claim says are above zero.

    Parameters
    ----------
    values
        One number per seed.

    Returns
    -------
    dict
        mean; low and high, the 95 % interval by Student's t; n; holds: "yes" if the interval is
        above zero, "no" if it is below, "undecided" otherwise; "one seed" or "missing" if there are
        not two.

    Examples
    --------
    >>> interval([1.0, 1.1, 1.2])["holds"]
    'yes'
    """
    n = len(values)
    mean = float(np.mean(values)) if n else np.nan
    if n < 2:
        holds = "one seed" if n else "missing"
        return {"mean": mean, "low": np.nan, "high": np.nan, "n": n, "holds": holds}
    half = _half(float(np.std(values, ddof=1)), n)
    low, high = mean - half, mean + half
    holds = "yes" if low > 0 else "no" if high < 0 else "undecided"
    return {"mean": mean, "low": low, "high": high, "n": n, "holds": holds}


def p_value(values: Sequence[float]) -> float:
    """Return the two-sided p of Student's test against a mean of zero; NaN for one value."""
    n = len(values)
    if n < 2:
        return np.nan
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(n)
    if error == 0:
        return float(mean == 0)
    return float(2 * stats.t.sf(abs(mean / error), n - 1))


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number. NaN means no test, and stays NaN.

    References
    ----------
    Holm, 1979. The i-th smallest of m, counted from 0, is multiplied by m - i; no corrected value
    is below that of a smaller one, or above 1.

    Examples
    --------
    >>> holm([0.25, 0.125, float("nan")])
    [0.25, 0.25, nan]
    """
    tests = sorted((value, place) for place, value in enumerate(p) if not math.isnan(value))
    corrected, least = list(p), 0.0
    for rank, (value, place) in enumerate(tests):
        least = max(least, min(1.0, (len(tests) - rank) * value))
        corrected[place] = least
    return corrected


def seeds_to_decide(values: Sequence[float], tests: int = 1) -> int | None:
    """Return the number of seeds that would decide a claim, given the true mean and spread.

    The result is None if more than `MOST_SEEDS` are needed, or there are fewer than two values.

    Parameters
    ----------
    values
        One number per seed.
    tests
        Number of tests for which the p-value is corrected by Bonferroni. Holm's correction is never
        stricter.

    Notes
    -----
    With this number of seeds, Student's test excludes zero with a probability of about `POWER`. The
    quantiles of Student's distribution approximate those of the noncentral one.

    Examples
    --------
    >>> seeds_to_decide([0.0, 1.0, 2.0])
    10
    """
    if len(values) < 2:
        return None
    mean, std = abs(float(np.mean(values))), float(np.std(values, ddof=1))
    level = 1 - (1 - CONFIDENCE) / (2 * tests)

    def decides(n: int) -> bool:
        quantiles = stats.t.ppf(level, n - 1) + stats.t.ppf(POWER, n - 1)
        return bool(mean * math.sqrt(n) >= quantiles * std)

    return next((n for n in range(2, MOST_SEEDS + 1) if decides(n)), None)


def _half(std: float, n: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * std / math.sqrt(n))
