"""The two sides of a comparison: two recordings, or two lists that differ in their seeds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from stripe.cli.app import SEVERAL, RandomSeed, Several
from stripe.cli.options.ranges import Resamples, ShareInside
from stripe.defaults import LEVEL, RESAMPLES
from stripe.errors import StripeError

Others = Annotated[
    Path,
    Parameter(
        help="Another recording; with --versus, more seeds of the first side. To compare two "
        "epochs of one recording, leave this out and give both to --epoch."
    ),
]
Versus = Annotated[
    tuple[Path, ...],
    SEVERAL,
    Parameter(
        help="Recordings of the second side: at least two, one per seed. The intervals are then "
        "over seeds."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Names and epochs of the two sides, and how the intervals are computed.

    Parameters
    ----------
    names
        Names of the two sides. Default: the parts of their paths that differ.
    epoch
        Epoch for both sides, or one for each side. Two epochs of a single recording are compared
        with each other. Default: the last.
    resamples
        Number of bootstrap samples over images.
    level
        Confidence level of the intervals, 0 to 1.
    """

    names: Several = ()
    epoch: Annotated[tuple[int, ...], SEVERAL] = ()
    resamples: Resamples = RESAMPLES
    level: ShareInside = LEVEL
    seed: RandomSeed = 0


COMPARISON = Comparison()


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
