"""The root of the commands, shared options, and printing."""

import json as jsonlib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from cyclopts.validators import Number

from stripe.cli.options.ranges import Seed
from stripe.errors import StripeError
from stripe.files import check_target

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

app = App(
    name="stripe",
    help="Record, analyse and fold the gates of channel attention.",
    version=lambda: version("stripe-attention"),
    suppress_keyboard_interrupt=False,  # so that `main` can say what was kept
)

Json = Annotated[bool, Parameter(negative=(), help="Print JSON instead of a table.")]
Recorded = Annotated[Path, Parameter(help="Directory of the recording.")]
Gate = Annotated[str | None, Parameter(help="Name of the gate. Default: the deepest gate.")]
Gates = Annotated[
    tuple[str, ...],
    Parameter(
        help='Gates: "all", names, or patterns such as "layer3.*", with spaces or commas between '
        "them. The option can be repeated.",
        converter=lambda _, tokens: between_commas(token.value for token in tokens),
        consume_multiple=1,
        show_default=lambda names: ", ".join(names),
        negative=(),
    ),
]
Epoch = Annotated[int | None, Parameter(help="Epoch. Default: the last.")]
EveryEpoch = Annotated[int | None, Parameter(help="Epoch. Default: all.")]
#: One or more values. The help text names the default, so none is shown.
SEVERAL = Parameter(consume_multiple=1, show_default=False, negative=())
Several = Annotated[tuple[str, ...], SEVERAL]
Epochs = Annotated[
    tuple[int, ...],
    SEVERAL,
    Parameter(
        help="Epoch for all recordings, or one for each. Several epochs of one recording are drawn "
        "like several recordings. Default: the last."
    ),
]
Names = Annotated[
    Several,
    Parameter(help="Names of the recordings. Default: the parts of their paths that differ."),
]
More = Annotated[Path, Parameter(help="More recordings.")]
Low = Annotated[float, Parameter(help="Largest absolute value of a channel that is off.")]
High = Annotated[
    float, Parameter(help="Smallest value of a channel that is on; the largest is 2 - high.")
]
RandomSeed = Annotated[Seed, Parameter(help="Seed of all random numbers.")]
Folds = Annotated[
    int, Parameter(validator=Number(gte=2), help="Number of folds of the cross-validation.")
]
Picture = Annotated[Path, Parameter(help="Image file for the figure: .png, .pdf or .svg.")]


def between_commas(texts: "Iterable[str]") -> tuple[str, ...]:
    """Return the names in texts, at least one. Each text may hold several, with commas between."""
    names = tuple(name for text in texts for part in text.split(",") if (name := part.strip()))
    if not names:
        raise ValueError("at least one name must be given")
    return names


def print_table(table: "pd.DataFrame", json: bool) -> None:
    """Print a table as text or as JSON."""
    if json:
        print(table.to_json(orient="records", indent=1))
    else:
        print(table.to_string(index=False, float_format="%.6g"))


def read_table(path: Path, wanted: str = "another") -> "pd.DataFrame":
    """Read a CSV file of the user. `wanted` is the file that the error asks for."""
    from io import BytesIO

    import pandas as pd

    from stripe.files import read_regular

    try:
        return pd.read_csv(BytesIO(read_regular(path)))
    except (OSError, ValueError, MemoryError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise StripeError(f"{path} cannot be read as a table: {reason}; give {wanted}") from error


def save_table(table: "pd.DataFrame", path: Path | None) -> None:
    """Write a table as CSV, atomically, if `path` is given."""
    from stripe.files import saving

    if path is not None:
        with saving(path) as draft:
            table.to_csv(draft, index=False)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(jsonlib.dumps(value, indent=1))


def one_or_more(numbers: tuple[int, ...]) -> int | tuple[int, ...] | None:
    """Return the one number of an option, all that were given, or None."""
    return numbers[0] if len(numbers) == 1 else numbers or None


def keywords_of(options: Any) -> dict[str, Any]:
    """Return the options of runs as keywords of a function; None if an option was not given."""
    given = {"names": options.names or None, "epoch": one_or_more(options.epoch)}
    return {**vars(options), **given}


def picture_file(path: Path | None) -> None:
    """Raise an error if a picture cannot be written, before the work for it begins."""
    from stripe.plots.paper import FORMATS

    if path is not None:
        check_target(path, FORMATS, "a picture")


def table_file(path: Path | None) -> None:
    """Raise an error if a table exists or is not CSV, before the work begins."""
    if path is not None:
        check_target(path, (".csv",), "a table")
    new_file(path)


def new_file(path: Path | None) -> None:
    """Raise an error if a file exists, before the work for it begins. Make its folder."""
    if path is None:
        return
    if path.exists():
        raise StripeError(f"{path} already exists; choose another")
    path.parent.mkdir(parents=True, exist_ok=True)
