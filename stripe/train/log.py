"""The log of a run: CSV and Parquet always, TensorBoard on request."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from stripe.errors import StripeError


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Replace the log as a whole, so that a kill loses no finished epoch."""
    table = pd.DataFrame(history)
    csv, parquet = folder / "history.csv", folder / "history.parquet"
    table.to_csv(csv.with_suffix(".draft"), index=False)
    csv.with_suffix(".draft").replace(csv)
    table.to_parquet(parquet.with_suffix(".draft"), index=False)
    parquet.with_suffix(".draft").replace(parquet)


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Read the log of a run, empty where there is none."""
    file = folder / "history.parquet"
    if not file.exists():
        return []
    return [
        {str(name): value for name, value in row.items()}
        for row in pd.read_parquet(file).to_dict("records")
    ]


@contextmanager
def tensorboard(folder: Path | None, epoch: int) -> Iterator[Any]:
    """Open a writer of TensorBoard's, or None where there is no folder.

    What a killed run wrote after `epoch`, and a resumed one writes again, is left out.
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
    writer: Any = SummaryWriter(str(folder), purge_step=epoch + 1)
    try:
        yield writer
    finally:
        writer.close()
