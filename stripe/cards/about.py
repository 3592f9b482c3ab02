"""Details in the card of a recording that the recording does not contain."""

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime

from stripe.errors import StripeError
from stripe.typed import typed


@typed
@dataclass(frozen=True, kw_only=True)
class About:
    """Details that a published recording needs, but does not contain.

    Parameters
    ----------
    name
        Name of the data set. Default: a name from the network and the data of the recording.
    description
        Sentence that describes the data set. Default: a sentence with the numbers of gates and
        epochs, the network and the data.
    license
        Licence of the data, as an SPDX identifier or a URL. Croissant, a JSON-LD vocabulary for
        data sets, requires it.
    creator
        Person or group that made the recording. Croissant requires it.
    url
        URL at which the recording will be available. Croissant requires it.
    published
        Date of publication, as YYYY-MM-DD. Default: today, in UTC.

    Raises
    ------
    StripeError
        If `published` is not a valid date.

    Examples
    --------
    >>> from stripe.cards import About
    >>> About(license="CC-BY-4.0", creator="Ada").missing
    ['url']
    """

    name: str = ""
    description: str = ""
    license: str = ""
    creator: str = ""
    url: str = ""
    published: str = ""

    def __post_init__(self) -> None:
        if not self.published:
            object.__setattr__(self, "published", datetime.now(UTC).date().isoformat())
        try:
            published = date.fromisoformat(self.published).isoformat()
        except ValueError as error:
            raise StripeError(
                f"a date of publication must be YYYY-MM-DD, got {self.published!r}"
            ) from error
        object.__setattr__(self, "published", published)

    @property
    def missing(self) -> list[str]:
        """The fields that Croissant requires and that are not set."""
        required = ("license", "creator", "url")
        return [
            one.name for one in fields(self) if one.name in required and not getattr(self, one.name)
        ]
