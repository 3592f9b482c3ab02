"""Ranges of numbers, which are checked before a command begins its work."""

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from stripe.defaults import LARGEST_SEED

Count = Annotated[int, Parameter(validator=Number(gte=1))]
CountOrNone = Annotated[int | None, Parameter(validator=Number(gte=1))]
Resamples = Annotated[int, Parameter(validator=Number(gte=100))]
Index = Annotated[int, Parameter(validator=Number(gte=0))]
Port = Annotated[int, Parameter(validator=Number(gte=0, lte=65535))]
Seed = Annotated[int, Parameter(validator=Number(gte=0, lte=LARGEST_SEED))]
#: A share, with or without its ends.
Share = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]
ShareAboveZeroOrNone = Annotated[float | None, Parameter(validator=Number(gt=0, lte=1))]
ShareInside = Annotated[float, Parameter(validator=Number(gt=0, lt=1))]
