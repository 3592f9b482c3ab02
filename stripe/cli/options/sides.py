"""The two sides of a comparison: two recordings, or two lists that differ in their seeds."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from stripe.errors import StripeError

Others = Annotated[
    Path,
    Parameter(
        help="Another recording; with --versus, more seeds of the first side. Default: the first "
        "recording at a second epoch."
    ),
]
Versus = Annotated[
    tuple[Path, ...],
    Parameter(
        help="Recordings of the second side: at least two, one per seed. The intervals are then "
        "over seeds.",
        consume_multiple=True,
        show_default=False,
        negative=(),
    ),
]


def sides_of(recordings: tuple[Path, ...], versus: tuple[Path, ...]) -> list[Any]:
    """Return the data of `stripe.compare`.

    Raises
    ------
    StripeError
        If there are more than two recordings and no second side.
    """
    if versus:
        return [list(recordings), list(versus)]
    if len(recordings) > 2:
        raise StripeError(
            f"a comparison has two sides, got {len(recordings)} recordings; separate the seeds of "
            "the second side by --versus"
        )
    return list(recordings)
