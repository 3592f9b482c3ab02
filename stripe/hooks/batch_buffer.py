"""All vectors of one batch in one buffer on the device; `recording/part.py` writes them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from stripe.errors import ModelError

#: Columns that hold whole numbers, by their bits.
LABEL, PREDICTION = "label", "prediction"


class Buffer(ABC):
    """The vectors of one batch: `lengths[column]` numbers per image, in one flat float32 tensor."""

    def __init__(self, lengths: Mapping[str, int], device: torch.device | None) -> None:
        self.lengths = dict(lengths)
        self.device = device
        self._total = sum(self.lengths.values())
        self._flat = torch.empty(0)
        self._blocks: Mapping[str, Tensor] = {}
        self._filled: set[str] = set()

    def start(self, n_images: int) -> None:
        """Make room for a batch of `n_images` images."""
        size = n_images * self._total
        self._flat = torch.empty(size, dtype=torch.float32, device=self.device)
        self._blocks = self._by_column(self._flat)
        self._filled = set()

    def fill(self, column: str, values: Tensor) -> None:
        """Keep the vectors of one column, shape (images, length).

        Raises
        ------
        ModelError
            If the shape is wrong, or the column is already filled.
        """
        block = self._blocks[column]
        if values.shape != block.shape:
            raise ModelError(
                f"{column!r} must have shape {tuple(block.shape)}, got {tuple(values.shape)}; the "
                "model changed after its gates were found"
            )
        if column in self._filled:
            raise ModelError(
                f"{column!r} appeared twice in one forward pass and once when its gates were "
                "found; record it with a model that runs the same way every time, or leave it out "
                "with gates=[...]"
            )
        block.copy_(values)
        self._filled.add(column)

    @abstractmethod
    def _by_column(self, flat: Tensor) -> dict[str, Float32[Tensor, "images length"]]:
        """Return the part of a flat tensor that holds each column."""

    def _check_filled(self) -> None:
        missing = self.lengths.keys() - self._filled - {LABEL, PREDICTION}
        silent = [column for column in self.lengths if column in missing]
        if silent:
            raise ModelError(
                f"{silent[0]!r} did not appear in this forward pass; every recorded gate must be "
                "called for every batch, or leave it out with gates=[...]"
            )


class ValueBuffer(Buffer):
    """A buffer whose columns lie one after the other.

    Each column is a contiguous (images, length) block, so that a batch costs one copy to the host
    and none on the way to Arrow. Labels and predictions travel in it too, as int32.
    """

    def __init__(self, lengths: Mapping[str, int], device: torch.device | None) -> None:
        super().__init__({LABEL: 1, PREDICTION: 1, **lengths}, device)

    def note(self, column: str, numbers: Tensor) -> None:
        """Keep one whole number per image, its label or its prediction."""
        self._blocks[column].view(torch.int32).copy_(numbers.view(-1, 1))
        self._filled.add(column)

    def to_host(self) -> Callable[[], dict[str, np.ndarray]]:
        """Begin to copy the batch to the host.

        Returns
        -------
        Callable
            Function that waits for the copy, from any thread, and returns the arrays of the batch
            by column.

        Raises
        ------
        ModelError
            If a column was not filled.
        """
        self._check_filled()
        host, wait = copy_to_host(self._flat)
        filled = [column for column in self.lengths if column in self._filled]

        def columns() -> dict[str, np.ndarray]:
            wait()
            blocks = self._by_column(host)
            return {column: _whole_or_real(column, blocks[column].numpy()) for column in filled}

        return columns

    def _by_column(self, flat: Tensor) -> dict[str, Float32[Tensor, "images length"]]:
        images = len(flat) // self._total
        parts = flat.split([images * length for length in self.lengths.values()])
        sized = zip(self.lengths.items(), parts, strict=True)
        return {column: part.view(images, length) for (column, length), part in sized}


class MomentBuffer(Buffer):
    """A buffer whose columns lie side by side, so that moments of all are taken at once."""

    def matrix(self) -> Float32[Tensor, "images total"]:
        """Return all columns side by side.

        Raises
        ------
        ModelError
            If a column was not filled.
        """
        self._check_filled()
        return self._flat.view(-1, self._total)

    def _by_column(self, flat: Tensor) -> dict[str, Float32[Tensor, "images length"]]:
        parts = flat.view(-1, self._total).split([*self.lengths.values()], dim=1)
        return dict(zip(self.lengths, parts, strict=True))


def _whole_or_real(column: str, block: np.ndarray) -> np.ndarray:
    """Return labels and predictions by their bits, (images,), and vectors as they are."""
    return block.view(np.int32).reshape(-1) if column in (LABEL, PREDICTION) else block


def copy_to_host(tensor: Tensor) -> tuple[Tensor, Callable[[], object]]:
    """Begin to copy a tensor to the host; return the copy, and what waits for it.

    From a GPU it goes into pinned memory while the next batch is computed. A tensor on the host is
    returned as it is.
    """
    if tensor.device.type != "cuda":
        return tensor.cpu(), lambda: None
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    host.copy_(tensor, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(tensor.device))
    return host, copied.synchronize
