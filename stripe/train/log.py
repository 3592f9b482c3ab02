"""The log of a run: CSV and Parquet always, TensorBoard on request."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from stripe.errors import StripeError
from stripe.files import drafted, refuse_links
from stripe.train.manifest import checked

#: The two forms of the log.
CSV, PARQUET = "history.csv", "history.parquet"


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Replace the log as a whole, so that a kill loses no finished epoch."""
    table = pd.DataFrame(history)
    try:
        with drafted(folder / CSV) as draft:
            table.to_csv(draft, index=False)
        with drafted(folder / PARQUET) as draft:
            table.to_parquet(draft, index=False)
    except OSError as error:
        raise StripeError(f"cannot write the log in {folder}: {error}; make room") from error


def read_history(folder: Path) -> pd.DataFrame:
    """Read the log of a finished run.

    Raises
    ------
    StripeError
        If it is missing, changed or damaged.
    """
    file = folder / PARQUET
    try:
        return pd.read_parquet(checked(file))
    except (OSError, ValueError) as error:  # those of Arrow are among them
        reason = str(error).partition("\n")[0]
        raise StripeError(f"{file} is damaged: {reason}; remove its folder") from error


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Return the log of a finished run row by row, as training holds it; empty without a log."""
    if not (folder / PARQUET).exists():
        return []
    rows = read_history(folder).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


@contextmanager
def tensorboard(folder: Path | None, epoch: int) -> Iterator[Any]:
    """Open a writer of TensorBoard's, or None where there is no folder.

    Entries of a killed run after `epoch` are left out, because the resumed run writes them again.
    """
    if folder is None:
        yield None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise StripeError(
            "tensorboard=True needs the package tensorboard, which is not installed; pip install "
            "'stripe-attention[tensorboard]'"
        ) from error
    refuse_links(folder)
    writer: Any = SummaryWriter(str(folder), purge_step=epoch + 1)
    try:
        yield writer
    finally:
        writer.close()
