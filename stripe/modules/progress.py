"""A progress bar over the batches of a loader."""

from collections.abc import Iterable, Sized
from typing import Any

from tqdm.auto import tqdm


def progress_bar(loader: Iterable[Any], title: str, shown: bool) -> Any:
    """Return a progress bar with a step for each batch, for a terminal or a notebook."""
    total = _number_of_batches(loader)
    return tqdm(total=total, desc=title, leave=False, disable=None if shown else True)


def _number_of_batches(loader: Iterable[Any]) -> int | None:
    """Return the number of batches of a loader, None if it does not know, as for a stream."""
    try:
        return len(loader) if isinstance(loader, Sized) else None
    except TypeError:  # a DataLoader of an IterableDataset
        return None
