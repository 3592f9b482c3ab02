"""The options of a command that prints a table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

from stripe.cli.app import Json, print_table, save_table, table_file

if TYPE_CHECKING:
    import pandas as pd


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Printed:
    """How a table is printed, and where it is written.

    Parameters
    ----------
    out
        CSV file for the table.
    """

    out: Path | None = None
    json: Json = False

    def check(self) -> None:
        """Raise an error if the file exists or is not CSV, before any work."""
        table_file(self.out)

    def show(self, compute: "Callable[[], pd.DataFrame]") -> "pd.DataFrame":
        """Compute a table, write it, print it and return it. Raise an error if the file exists."""
        self.check()
        table = compute()
        save_table(table, self.out)
        print_table(table, self.json)
        return table


AS_TABLE = Printed()
