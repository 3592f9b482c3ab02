"""A recording as a stream of Arrow, which pyarrow and polars read directly."""

from collections.abc import Iterator

import pyarrow as pa

from stripe.recording.finished_part import FinishedPart
from stripe.recording.schema import Header, part_schema


def arrow_stream(header: Header, parts: list[FinishedPart]) -> pa.RecordBatchReader:
    """Return a reader of all rows, with the epoch as the first column.

    One row group is read at a time, so the memory does not grow with the recording.
    """
    fields = [pa.field("epoch", pa.int64(), nullable=False), *part_schema(header)]
    schema = pa.schema(fields)
    return pa.RecordBatchReader.from_batches(schema, _batches(schema, parts))


def _batches(schema: pa.Schema, parts: list[FinishedPart]) -> Iterator[pa.RecordBatch]:
    for part in parts:
        for table in part.tables(schema.names[1:]):
            epoch = pa.array([part.epoch] * len(table), pa.int64())
            whole = pa.table([epoch, *table.columns], schema=schema)
            yield from whole.to_batches()
