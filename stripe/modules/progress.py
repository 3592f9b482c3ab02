"""A progress bar over the batches of a loader."""

from collections.abc import Iterable, Sized
from typing import Any

from tqdm.auto import tqdm


def progress_bar(loader: Iterable[Any], title: str, shown: bool) -> Any:
    """Return a bar with a step for each batch, shown where there is a terminal or a notebook."""
    return tqdm(
        total=number_of_batches(loader), desc=title, leave=False, disable=None if shown else True
    )


def number_of_batches(loader: Iterable[Any]) -> int | None:
    """Return how many batches a loader gives, None where it does not know, as of a stream."""
    try:
        return len(loader) if isinstance(loader, Sized) else None
    except TypeError:  # a DataLoader of an IterableDataset
        return None
