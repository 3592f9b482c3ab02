"""The log of a run, as CSV and Parquet."""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from stripe.errors import StripeError
from stripe.files import drafted
from stripe.train.manifest import checked, read_manifest

#: The two forms of the log.
CSV, PARQUET = "history.csv", "history.parquet"


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Replace the log atomically, so that no finished epoch is lost if the process is killed."""
    table = pd.DataFrame(history)
    try:
        with drafted(folder / CSV) as draft:
            table.to_csv(draft, index=False)
        with drafted(folder / PARQUET) as draft:
            table.to_parquet(draft, index=False)
    except OSError as error:
        raise StripeError(
            f"cannot write the log in {folder}: {error}; make room, and continue the run with "
            "--resume"
        ) from error


def read_history(folder: Path) -> pd.DataFrame:
    """Read the log of a finished run.

    Raises
    ------
    StripeError
        If the log is missing, changed or damaged.
    """
    file = folder / PARQUET
    if not os.path.lexists(file):
        raise StripeError(f"{file} is missing; restore it from a copy, or remove its folder")
    try:
        return pd.read_parquet(checked(file))
    except (OSError, ValueError) as error:  # those of Arrow are among them
        reason = str(error).partition("\n")[0]
        raise StripeError(f"{file} is damaged: {reason}; remove its folder") from error


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of the log of a finished run.

    The list is empty for an old run without manifest and log.

    Raises
    ------
    StripeError
        As for `read_history`.
    """
    if not (folder / PARQUET).exists() and PARQUET not in (read_manifest(folder) or {}):
        return []
    rows = read_history(folder).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
