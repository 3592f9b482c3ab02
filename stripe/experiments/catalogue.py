"""Everything of the paper that can be reproduced, by name."""

from stripe.errors import UnknownNameError
from stripe.experiments.exhibits import Exhibit
from stripe.experiments.figures import FIGURES
from stripe.experiments.tables import TABLES


def list_exhibits() -> list[str]:
    """Return the names of the tables and figures that can be reproduced."""
    return [*TABLES, *FIGURES]


def exhibit(name: str) -> Exhibit:
    """Return a table or a figure by name, or raise an `UnknownNameError` that lists them."""
    for entries in (TABLES, FIGURES):
        if name in entries:
            return entries[name]()
    raise UnknownNameError(
        f"the paper has no {name!r} to reproduce; choose one of: {', '.join(list_exhibits())}"
    )
