"""One finished Parquet file of a recording, which can be sent to another process and read there."""

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
from stripe.recording.durable import footer_sha256

Vectors = Float32[np.ndarray, "images channels"]


@dataclass(frozen=True)
class FinishedPart:
    """What one process wrote of an epoch.

    Parameters
    ----------
    path
        The file.
    footer_sha256
        The checksum of its footer, from the log.
    """

    path: Path
    footer_sha256: str

    def read(self, columns: list[str]) -> pa.Table:
        """Read columns, in the order given."""
        with self._opened() as file:
            return file.read(columns=columns).select(columns)

    def scan(self, columns: Mapping[str, str]) -> Iterator[dict[str, Vectors]]:
        """Yield vectors by name, a row group of about 16 MiB at a time.

        Parameters
        ----------
        columns
            From names to columns of the file.
        """
        with self._opened() as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=list(columns.values()))
                yield {name: matrix(table[column]) for name, column in columns.items()}

    def frame(self) -> pd.DataFrame:
        """Read the whole file, as the moments of a recording without values."""
        with self._opened() as file:
            table: pd.DataFrame = file.read().to_pandas()
            return table

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        """Open the file for a read; whatever a damaged one raises becomes an error that names it.

        Checksums cover the pages; the footer, which says where they are, is compared with the log.
        """
        try:
            if footer_sha256(self.path) != self.footer_sha256:
                raise ValueError("its footer changed")
            with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
                yield file
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise RecordingError(
                f"{self.path} is damaged or missing ({str(error).partition(chr(10))[0]}); restore "
                "it from a copy"
            ) from error


def matrix(column: pa.ChunkedArray) -> Vectors:
    """View a column of fixed-size lists as (rows, length); copies only to join several chunks."""
    length = column.type.list_size
    chunks = [chunk.flatten().to_numpy(zero_copy_only=True) for chunk in column.chunks]
    flat = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
    vectors: Vectors = flat.reshape(-1, length)
    vectors.flags.writeable = False
    return vectors
