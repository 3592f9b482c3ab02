"""Hooks that copy every gate of a batch into one buffer on the device."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from stripe.errors import ModelError
from stripe.recording import Gate
from stripe.recording.schema import gate_column, input_column

#: Columns of the buffer that hold whole numbers, by their bits.
LABEL, PREDICTION = "label", "prediction"


class Capture:
    """The vectors of one batch: `length[column]` numbers per image, column after column.

    Each column is a contiguous (images, length) block of one flat float32 buffer, so that a batch
    costs one copy to the host and none on the way to Arrow. Labels and predictions travel in it
    too, as int32.
    """

    def __init__(self, gates: Sequence[Gate], device: torch.device | None) -> None:
        self.gates = gates
        self.device = device
        self.lengths = {LABEL: 1, PREDICTION: 1}
        for gate in gates:
            self.lengths[gate_column(gate.name)] = gate.channels
            if gate.pooled:
                self.lengths[input_column(gate.name)] = gate.channels
        self._total = sum(self.lengths.values())
        self._ends = dict(zip(self.lengths, accumulate(self.lengths.values()), strict=True))
        self._buffer = torch.empty(0)
        self._filled: set[str] = set()

    @contextmanager
    def hooked(self, model: nn.Module) -> Iterator[None]:
        """Keep hooks on the gates of `model`; they are gone afterwards, whatever happens."""
        handles = []
        try:
            for gate in self.gates:
                module = model.get_submodule(gate.name)
                handles.append(module.register_forward_hook(partial(self._keep, gate)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def start(self, images: int) -> None:
        """Make room for a batch of `images`."""
        size = images * self._total
        self._buffer = torch.empty(size, dtype=torch.float32, device=self.device)
        self._filled = set()

    def note(self, column: str, numbers: Tensor) -> None:
        """Keep one whole number per image: its label or its prediction."""
        self._block(self._buffer, column).view(torch.int32).copy_(numbers.view(-1, 1))
        self._filled.add(column)

    def take(self) -> dict[str, np.ndarray]:
        """Copy the batch to the host and return it by column: vectors, and what was noted.

        Raises
        ------
        ModelError
            If a hook did not fire, so that there is nothing to record.
        """
        silent = [c for c in self.lengths if c not in (*self._filled, LABEL, PREDICTION)]
        if silent:
            raise ModelError(
                f"{silent[0]!r} did not appear in this forward pass; every recorded gate must be "
                "called for every batch, or leave it out with gates=[...]"
            )
        host = self._buffer.cpu()
        columns = {c: self._block(host, c).numpy() for c in self.lengths if c in self._filled}
        for column in (LABEL, PREDICTION):
            if column in columns:
                columns[column] = columns[column].view(np.int32).reshape(-1)
        return columns

    def _block(self, flat: Tensor, column: str) -> Float32[Tensor, "images length"]:
        images = len(flat) // self._total
        end, length = self._ends[column], self.lengths[column]
        return flat[images * (end - length) : images * end].view(images, length)

    def _keep(
        self, gate: Gate, module: nn.Module, args: tuple[Tensor, ...], output: Tensor
    ) -> None:
        self._fill(gate_column(gate.name), output.detach().flatten(1))
        if gate.pooled:
            features = args[0].detach()
            self._fill(input_column(gate.name), features.mean((2, 3), dtype=torch.float32))

    def _fill(self, column: str, values: Tensor) -> None:
        block = self._block(self._buffer, column)
        if values.shape[1] != block.shape[1] or values.shape[0] not in (1, block.shape[0]):
            raise ModelError(
                f"{column!r} must have shape {tuple(block.shape)}, got {tuple(values.shape)}; the "
                "model changed after its gates were found"
            )
        if column in self._filled:
            raise ModelError(
                f"{column!r} appeared twice in one forward pass, so its module gates two places; "
                "give each place a module of its own, or leave it out with gates=[...]"
            )
        block.copy_(values)  # one row, from a constant gate, is repeated for every image
        self._filled.add(column)
