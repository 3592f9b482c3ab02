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


class Capture:
    """The vectors of one batch: `length[column]` numbers per image, column after column.

    Each column is a contiguous (images, length) block of one flat float32 buffer, so that a batch
    costs one copy to the host and none on the way to Arrow.
    """

    def __init__(self, gates: Sequence[Gate]) -> None:
        self.gates = gates
        self.lengths: dict[str, int] = {}
        for gate in gates:
            self.lengths[gate_column(gate.name)] = gate.channels
            if gate.pooled:
                self.lengths[input_column(gate.name)] = gate.channels
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

    def start(self, images: int, device: torch.device | None) -> None:
        """Make room for a batch of `images`."""
        self._buffer = torch.empty(images * sum(self.lengths.values()), device=device)
        self._filled = set()

    def take(self) -> dict[str, Float32[np.ndarray, "images length"]]:
        """Copy the batch to the host and return it by column.

        Raises
        ------
        ModelError
            If a hook did not fire, so that there is nothing to record.
        """
        if silent := [column for column in self.lengths if column not in self._filled]:
            raise ModelError(
                f"{silent[0]!r} did not appear in this forward pass; every recorded gate must be "
                "called for every batch, or leave it out with gates=[...]"
            )
        host = self._buffer.cpu()
        return {column: self._block(host, column).numpy() for column in self.lengths}

    def _block(self, flat: Tensor, column: str) -> Float32[Tensor, "images length"]:
        images = len(flat) // sum(self.lengths.values())
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
        block.copy_(values)  # one row, from a constant gate, is repeated for every image
        self._filled.add(column)
