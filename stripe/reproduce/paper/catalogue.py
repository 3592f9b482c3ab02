"""All exhibits that can be reproduced, by name."""

from stripe.errors import StripeError, UnknownNameError
from stripe.registry import nearest
from stripe.reproduce.paper.beyond_paper import OURS
from stripe.reproduce.paper.exhibits import Exhibit
from stripe.reproduce.paper.figures import FIGURES
from stripe.reproduce.paper.in_text import IN_TEXT
from stripe.reproduce.paper.noise_reading import DEFAULT_READING, NoiseReading
from stripe.reproduce.paper.tables import TABLES, noise_table


def list_exhibits() -> list[str]:
    """Return the names of the tables, figures and claims, and of our own exhibits."""
    return [*TABLES, *FIGURES, *IN_TEXT, *OURS]


def exhibit(name: str, reading: NoiseReading = DEFAULT_READING) -> Exhibit:
    """Return a table or a figure by name.

    Parameters
    ----------
    name
        One of `list_exhibits()`.
    reading
        Reading of Table 8.

    Raises
    ------
    UnknownNameError
        If there is no such exhibit.
    StripeError
        If `reading` is not the default for another exhibit than Table 8.
    """
    if name == "table8":
        return noise_table(reading)
    if reading != DEFAULT_READING:
        raise StripeError(
            f"only the noise of table8 can be read in another way, got {name!r}; leave "
            "--noise-when and --noise-sigma out"
        )
    for entries in (TABLES, FIGURES, IN_TEXT, OURS):
        if name in entries:
            return entries[name]()
    raise UnknownNameError(
        f"the paper has no {name!r} to reproduce; {nearest(name, list_exhibits())}choose one of: "
        f"{', '.join(list_exhibits())}"
    )
