"""Progress of long work: a bar on a terminal, and elsewhere a line every ten seconds."""

import sys
from collections.abc import Iterable, Sized
from typing import Any

from tqdm.auto import tqdm
from tqdm.std import tqdm as text_bar

#: Seconds between two lines where there is no terminal, and before the first.
SECONDS = 10.0


def progress_bar(
    work: int | Iterable[Any] | None,
    title: str,
    show: bool,
    *,
    done: int = 0,
    unit: str = "it",
    leave: bool = False,
) -> Any:
    """Return a bar of tqdm, on standard error.

    Parameters
    ----------
    work
        Number of steps, or a loader with one step per batch; None if the number is unknown.
    title
        Text before the bar.
    show
        Whether anything is shown.
    done
        Number of steps that were done before.
    unit
        Unit of the steps.
    leave
        Keep the finished bar on the terminal.

    Notes
    -----
    If standard error is not a terminal, for example in a log file or a notebook, the bar writes a
    line every ten seconds. Work that ends sooner writes no line.
    """
    total = work if work is None or isinstance(work, int) else number_of_batches(work)
    initial = done if total is None else min(done, total)
    options: dict[str, Any] = {"total": total, "initial": initial, "desc": title, "unit": unit}
    options["leave"] = leave
    if not show or sys.stderr.isatty():
        return tqdm(disable=not show, **options)
    return _Lines(mininterval=SECONDS, delay=SECONDS, miniters=1, **options)


class _Lines(text_bar):  # type: ignore[type-arg]  # generic in its stubs alone
    """A bar that writes whole lines, and moves no cursor."""

    @staticmethod
    def status_printer(file: Any) -> Any:
        """Return a function that writes a line."""

        def write(line: str) -> None:
            if line.strip():
                file.write(line.strip() + "\n")
                file.flush()

        return write

    def moveto(self, n: int) -> None:
        """Stay where the last line ended."""

    def set_postfix(
        self, ordered_dict: Any = None, refresh: bool | None = True, **kwargs: Any
    ) -> None:
        """Set the end of the next line."""
        super().set_postfix(ordered_dict, refresh=False, **kwargs)

    def close(self) -> None:
        """End without another line."""
        self.leave, self.delay = False, float("inf")
        super().close()


def number_of_batches(loader: Iterable[Any]) -> int | None:
    """Return the number of batches of a loader, None if it is unknown, as for a stream."""
    try:
        return len(loader) if isinstance(loader, Sized) else None
    except TypeError:  # a DataLoader of an IterableDataset
        return None
