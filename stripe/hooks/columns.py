"""The columns of a gate in a recording, and their values."""

from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from stripe.hooks.batch_buffer import Buffer
from stripe.hooks.rows import ImageRows
from stripe.recording import RecordedGate
from stripe.recording.schema import gate_column, input_column, spatial_column


def value_column(gate: RecordedGate) -> str:
    """Return the column that holds the values of a gate."""
    return spatial_column(gate.name) if gate.kind == "spatial" else gate_column(gate.name)


def column_lengths(gates: Sequence[RecordedGate]) -> dict[str, int]:
    """Return the numbers per image of every column of `gates`."""
    lengths = {}
    for gate in gates:
        height, width = gate.spatial or (1, 1)
        lengths[value_column(gate)] = gate.channels * height * width
        if gate.pooled:
            lengths[input_column(gate.name)] = gate.channels
    return lengths


def gates_of_values(gate: RecordedGate) -> list[RecordedGate]:
    """Return a gate for each of the values that an image has, `name@0` to `name@k-1`."""
    k = gate.per_image_values
    each = [replace(gate, name=f"{gate.name}@{j}", per_image_values=1) for j in range(k)]
    return each if k > 1 else [gate]


def fill(buffer: Buffer, gates: Sequence[RecordedGate], rows: ImageRows) -> None:
    """Keep the rows of one gate: their mean over an image's values, or each as its own gate."""
    for number, gate in enumerate(gates):
        own = number if len(gates) > 1 else None
        buffer.fill(value_column(gate), _mean(rows.gate, own))
        if rows.features is not None:
            shared = rows.features.shape[1] != rows.gate.shape[1]
            buffer.fill(input_column(gate.name), _mean(rows.features, None if shared else own))


def _mean(rows: Float[Tensor, "b k n"], own: int | None) -> Float[Tensor, "b n"]:
    """Return the mean over the k rows of an image, or one of them."""
    if own is not None or rows.shape[1] == 1:
        return rows[:, own or 0]
    return rows.mean(1)
