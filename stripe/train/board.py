"""The log of a run for TensorBoard: a row per epoch, and the statistics of recorded gates."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stripe.errors import StripeError
from stripe.files import refuse_links
from stripe.stats import channel_moments, stripe_index

#: The columns of the log of an epoch, and the statistics of every gate, that are written.
OF_EPOCH = ("lr", "train_loss", "test_accuracy", "test_top5")
OF_GATES = ("eta2", "median_std")


class Board:
    """Write scalars of each epoch. Without a writer, nothing is written.

    Parameters
    ----------
    writer
        A `SummaryWriter` of torch, or None.
    recording
        Directory of the recorded gates, or None.
    """

    def __init__(self, writer: Any, recording: Path | None) -> None:
        self._writer, self._recording = writer, recording

    def add_row(self, row: dict[str, Any]) -> None:
        """Write the learning rate, the loss and the accuracies of an epoch."""
        if self._writer is not None:
            for name in OF_EPOCH:
                self._writer.add_scalar(name, row[name], row["epoch"])
            self._writer.flush()

    def add_gates(self, epoch: int) -> None:
        """Write `eta2/GATE` and `median_std/GATE` of every gate of a recorded epoch."""
        if self._writer is None or self._recording is None:
            return
        for row in stripe_index(channel_moments(self._recording, [epoch])).to_dict("records"):
            for name in OF_GATES:
                self._writer.add_scalar(f"{name}/{row['gate']}", row[name], epoch)
        self._writer.flush()


@contextmanager
def tensorboard(folder: Path | None, first: int, recording: Path | None) -> Iterator[Board]:
    """Open the log in `folder`. Without a folder, nothing is written.

    Entries of a killed run from epoch `first` on are left out, because the resumed run writes them
    again.
    """
    if folder is None:
        yield Board(None, recording)
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise StripeError(
            "tensorboard=True needs the package tensorboard, which is not installed; pip install "
            "'stripe-attention[tensorboard]'"
        ) from error
    refuse_links(folder)
    writer: Any = SummaryWriter(str(folder), purge_step=first)
    try:
        yield Board(writer, recording)
    finally:
        writer.close()
