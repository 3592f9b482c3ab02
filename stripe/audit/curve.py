"""The cost of freezing more and more gates in an order, measured on request."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from stripe.audit.candidate import Freezing
from stripe.audit.comparison import HeldOutComparison
from stripe.audit.order import FreezingOrder
from stripe.audit.search import largest_at


class Curve:
    """The cost of freezing the first gates of an order.

    Parameters
    ----------
    comparison
        Comparison of the network on the held-out images.
    plan
        The gates and their constants.
    order
        The order of the gates.
    """

    def __init__(self, comparison: HeldOutComparison, plan: Freezing, order: FreezingOrder) -> None:
        self.order = order
        self._comparison, self._plan = comparison, plan
        self._rows: dict[int, dict[str, Any]] = {}

    def agreement(self, count: int) -> float:
        """Return the agreement with the first `count` gates frozen."""
        return float(self._row(count)["agreement"])

    def largest(self, threshold: float, above: int = 0) -> int:
        """Return a number of gates that reaches a threshold while the next does not.

        The predicted costs of the order guide the search; without them, it is a bisection. A set
        reaches the threshold if its agreement is at least as high. The set of the first `above`
        gates must reach it. Agreement need not fall with every gate, so a still larger set may
        reach it too.
        """
        costs = [0.0, *self.order.predicted]
        return largest_at(self.agreement, threshold, above, len(self.order.gates), costs)

    def largest_measured(self, threshold: float) -> int:
        """Return the largest measured number of gates that reaches a threshold."""
        return max((n for n in self._rows if self.agreement(n) >= threshold), default=0)

    def measure_all(self) -> None:
        """Measure every number of gates, from none to all."""
        for count in range(len(self.order.gates) + 1):
            self._row(count)

    def measure_alone(self) -> None:
        """Measure each gate alone."""
        for gate in self.order.gates:
            self._comparison.measured([gate], self._frozen([gate]))

    def table(self) -> pd.DataFrame:
        """Return the measured rows, ordered by the number of gates."""
        return pd.DataFrame([self._row(count) for count in sorted({0, *self._rows})])

    def _row(self, count: int) -> dict[str, Any]:
        if count not in self._rows:
            gates = self.order.gates[:count]
            measured = self._comparison.measured(gates, self._frozen(gates))
            predicted = self.order.predicted[count - 1] if count else 0.0
            last = gates[-1] if gates else ""
            about = {"frozen": count, "gate": last, "predicted_kl": predicted}
            self._rows[count] = about | measured
        return self._rows[count]

    def _frozen(self, gates: list[str]) -> Callable[[], Any]:
        return lambda: self._plan.constant(gates)


def larger(one: Curve, other: Curve, threshold: float) -> Curve:
    """Return the curve with the larger set at a threshold; `one` if both are equal.

    If the set of `other` is not larger, `other` costs a single pass.
    """
    count = max(one.largest(threshold), one.largest_measured(threshold))
    more = count + 1
    if more > len(other.order.gates) or other.agreement(more) < threshold:
        return one
    other.largest(threshold, above=more)
    return other
