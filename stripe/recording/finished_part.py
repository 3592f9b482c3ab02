"""One finished Parquet file of a recording, which other processes can read."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32

from stripe.errors import RecordingError
from stripe.files import footer_sha256
from stripe.recording.schema import NULLABLE

#: Bytes that `pieces` decodes at a time.
_PIECE = 4 * 2**20

Vectors = Float32[np.ndarray, "images channels"]


@dataclass(frozen=True)
class FinishedPart:
    """The Parquet file of an epoch that one process wrote.

    Every method raises `RecordingError` if the file is damaged or missing.

    Parameters
    ----------
    path
        The file.
    footer_sha256
        SHA-256 of its footer, from the log.
    epoch
        The epoch that the file must belong to.
    columns
        Mapping from the names of its columns to their types as text, from the log. It is not an
        Arrow schema, because a pickled schema loses the information that elements are not null.
    """

    path: Path
    footer_sha256: str
    epoch: int
    columns: dict[str, str]

    def read(self, columns: list[str]) -> pa.Table:
        """Return some columns of all rows, in the given order."""
        with self._opened(pre_buffer=False) as file:  # threads cost more than they save here
            return self._checked(file.read(columns=columns, use_threads=False).select(columns))

    def scan(self, columns: Mapping[str, str]) -> Iterator[dict[str, Vectors]]:
        """Yield vectors by name, one row group at a time, which has about 16 MiB uncompressed.

        Parameters
        ----------
        columns
            Mapping from names to columns of the file.
        """
        for table in self.tables([*columns.values()]):
            yield {name: matrix(table[column]) for name, column in columns.items()}

    def pieces(self, columns: Mapping[str, str]) -> Iterator[dict[str, Vectors]]:
        """Yield vectors by name, for some columns of one row group at a time, to save memory.

        Parameters
        ----------
        columns
            Mapping from names to columns of the file.
        """
        names = {column: name for name, column in columns.items()}
        with self._opened(pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                for some in _in_pieces(file.metadata.row_group(group), [*names]):
                    table = self._checked(file.read_row_group(group, columns=some).select(some))
                    yield {names[column]: matrix(table[column]) for column in some}

    def tables(self, columns: list[str]) -> Iterator[pa.Table]:
        """Yield columns, in the given order, one row group at a time."""
        with self._opened(pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                yield self._checked(file.read_row_group(group, columns=columns).select(columns))

    def frame(self) -> pd.DataFrame:
        """Return the whole file as a table, for the moments of a recording without values."""
        with self._opened() as file:
            table: pd.DataFrame = self._checked(file.read()).to_pandas()
            return table

    def _checked(self, table: pa.Table) -> pa.Table:
        """Return a table whose columns have the form that the header gives them, without nulls."""
        for field, column in zip(table.schema, table.columns, strict=True):
            if str(field.type) != self.columns[field.name]:
                raise ValueError(f"{field.name} is {field.type}, not {self.columns[field.name]}")
            if column.null_count and field.name not in NULLABLE:
                raise ValueError(f"{field.name} has {column.null_count} nulls")
        return table

    @contextmanager
    def _opened(self, *, pre_buffer: bool = True) -> Iterator[pq.ParquetFile]:
        """Open the file for a read; whatever a damaged one raises becomes an error that names it.

        Checksums cover the pages; the footer, which says where they are, is compared with the log.
        """
        try:
            if footer_sha256(self.path) != self.footer_sha256:
                raise ValueError("its footer changed")
            with pq.ParquetFile(
                self.path, page_checksum_verification=True, pre_buffer=pre_buffer
            ) as file:
                check_epoch(file, self.epoch)
                yield file
        except MemoryError as error:
            raise RecordingError(
                f"{self.path} needs more memory than there is ({error}); read fewer gates at once, "
                "or restore it from a copy if it is damaged"
            ) from error
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise RecordingError(
                f"{self.path} is damaged or missing ({str(error).partition(chr(10))[0]}); restore "
                "it from a copy"
            ) from error


def _in_pieces(group: pq.RowGroupMetaData, columns: list[str]) -> Iterator[list[str]]:
    """Yield columns in lists that have about `_PIECE` bytes or one column each."""
    leaves = [group.column(number) for number in range(group.num_columns)]
    sizes = {leaf.path_in_schema.rpartition(".list.")[0]: leaf.total_uncompressed_size
             for leaf in leaves}  # fmt: skip
    piece: list[str] = []
    for column in columns:
        if piece and sum(sizes[one] for one in [*piece, column]) > _PIECE:
            yield piece
            piece = []
        piece.append(column)
    yield piece


def check_epoch(file: pq.ParquetFile, epoch: int) -> None:
    """Raise a ValueError if the file says that it is of another epoch.

    A file of a recording that began in format version 1 does not say.
    """
    said = (file.metadata.metadata or {}).get(b"epoch", str(epoch).encode())
    if said != str(epoch).encode():
        raise ValueError(f"it is of epoch {said.decode(errors='replace')}")


def matrix(column: pa.ChunkedArray) -> Vectors:
    """View a column of fixed-size lists as (rows, length); copies only to join several chunks."""
    length = column.type.list_size
    chunks = [chunk.flatten().to_numpy(zero_copy_only=True) for chunk in column.chunks]
    flat = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
    vectors: Vectors = flat.reshape(-1, length)
    vectors.flags.writeable = False
    return vectors
