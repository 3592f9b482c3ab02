"""Exhibits beyond the paper."""

from collections.abc import Callable

from stripe.reproduce.kinds import Depth
from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.paper.exhibits import Exhibit, exceeds
from stripe.reproduce.paper.figures import BASELINE, STL10

#: Metrics that are zero without an effect.
_NUMBERS = ("eta2_gained", "class_known", "eta2_by_depth", "class_by_depth", "eta2_by_class")


def _depth() -> Exhibit:
    """Return gates by depth, in the networks of Figures 11, 13 and 14."""
    cells: tuple[Cell, ...] = (BASELINE, BASELINE.but(method="IE"), STL10)
    return Exhibit(
        "depth",
        "Gates by depth, beside untrained ones",
        "Stripes come with training, deepen with depth, and still tell the class.",
        Depth(),
        cells,
        tuple(exceeds(cell, metric, 0.0) for cell in cells for metric in _NUMBERS),
        "The paper does not claim this. The untrained network is the control of its stripes.",
    )


#: The functions that make the exhibits, by name.
OURS: dict[str, Callable[[], Exhibit]] = {"depth": _depth}
