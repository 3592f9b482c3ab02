"""Find, with few measurements, how many gates of an order can be frozen at a threshold."""

from collections.abc import Callable, Sequence

import numpy as np

#: Number of guesses that may leave more than half of the numbers; then the search is a bisection.
_PATIENCE = 2


def largest_at(
    agreement: Callable[[int], float],
    threshold: float,
    low: int,
    high: int,
    costs: Sequence[float] | None = None,
) -> int:
    """Return a number of gates that reaches a threshold while the next does not.

    Parameters
    ----------
    agreement
        Function that measures the agreement at a number of gates. It is called for `high`, for
        `low`, and then for the numbers that the search needs: about log2(high - low) without
        `costs`, and at most two more with them.
    threshold
        Smallest agreement, 0 to 1.
    low, high
        Smallest and largest number. `low` is assumed to reach the threshold.
    costs
        Estimated KL divergence, in nats, at 0, 1, ... gates. The search starts where the estimates
        place the threshold. Default: the search is a bisection.

    Notes
    -----
    The share of changed predictions is taken to grow linearly with the square root of the estimate.
    This holds for small changes: the divergence is quadratic in the change of the class scores, and
    the number of images whose prediction changes is linear in this change. The line is fitted again
    after each measurement. A wrong estimate therefore costs measurements, but does not make the
    result wrong.
    """
    if high <= low or agreement(high) >= threshold:
        return high
    roots = None if costs is None else _roots(costs)
    wide = 0
    while high - low > 1:
        losses = [1 - agreement(count) for count in (low, high)]
        guess = None if wide >= _PATIENCE else _guess(roots, losses, 1 - threshold, low, high)
        middle = (low + high) // 2 if guess is None else guess
        before = high - low
        low, high = (middle, high) if agreement(middle) >= threshold else (low, middle)
        wide += 2 * (high - low) > before + 1
    return low


def _roots(costs: Sequence[float]) -> np.ndarray:
    """Return the roots of costs, which rounding may make fall."""
    return np.sqrt(np.maximum.accumulate(np.maximum(costs, 0)))


def _guess(
    roots: np.ndarray | None, losses: Sequence[float], loss: float, low: int, high: int
) -> int | None:
    """Return the largest number between two whose interpolated loss is at most `loss`.

    None if the estimates or the losses do not grow between them.
    """
    if roots is None or not roots[low] < roots[high] < np.inf or not losses[0] < losses[1]:
        return None
    share = (loss - losses[0]) / (losses[1] - losses[0])
    target = roots[low] + share * (roots[high] - roots[low])
    found = int(np.searchsorted(roots, target, side="right")) - 1
    return min(max(found, low + 1), high - 1)
