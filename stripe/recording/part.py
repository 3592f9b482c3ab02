"""One process's share of an epoch, as one Parquet file."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float64, Shaped

from stripe.errors import RecordingError
from stripe.files import footer_sha256, sha256, sync, writing
from stripe.recording.layout import part_name
from stripe.recording.schema import of_one_file

#: Rows are gathered up to this many bytes before they are encoded, and read back in these pieces.
ROW_GROUP_BYTES = 16 << 20

Indices = Shaped[np.ndarray, "..."]
ColumnValues = Shaped[np.ndarray, "rows length"]
MomentArrays = Float64[np.ndarray, "4 channels"]


class PartWriter:
    """Write rows to `directory/part-RANK.parquet`; a context manager that finishes the file.

    The columns are compressed with zstd at level 1, without dictionaries. Vectors of float32 also
    have the encoding BYTE_STREAM_SPLIT. Every page has a checksum.
    """

    def __init__(self, directory: Path, rank: int, schema: pa.Schema, epoch: int) -> None:
        schema = of_one_file(schema, epoch)
        self.path = directory / part_name(rank)
        self.rows = 0
        self._rank = rank
        self._record = self.record_path(directory, rank)
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        vectors = [f.name for f in schema if pa.types.is_fixed_size_list(f.type)]
        with writing(self.path):
            self._parquet = pq.ParquetWriter(
                self.path,
                schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=False,
                use_byte_stream_split=[f"{name}.list.element" for name in vectors] or False,
                write_statistics=["image"] if vectors else True,
                write_page_checksum=True,
            )

    @staticmethod
    def record_path(directory: Path, rank: int) -> Path:
        """Return the path of the file that holds rows, size and SHA-256 until the commit."""
        return directory / f"part-{rank}.json"

    def write(
        self,
        image: Indices,
        vectors: Mapping[str, ColumnValues],
        *,
        label: Indices | None = None,
        prediction: Indices | None = None,
    ) -> None:
        """Append one row per image.

        Parameters
        ----------
        image
            Index of each image in its data set, integers of shape (rows,).
        vectors
            Mapping from the columns of the recording, such as `gate/NAME`, to arrays of shape
            (rows, channels). float32 arrays in C order are the fastest; other real numbers are
            converted to float32. Entries that are no column of the recording are ignored.
        label, prediction
            Integers of shape (rows,); None if unknown.

        Raises
        ------
        RecordingError
            If a column is missing, its shape differs from that in the header, its values do not fit
            its type, or the disk fails.
        """
        columns = [
            _integers("image", image, len(image), pa.int64()),
            _optional("label", label, len(image)),
            _optional("prediction", prediction, len(image)),
        ]
        columns += [_list_array(field, vectors, len(image)) for field in list(self._schema)[3:]]
        self._append(pa.record_batch(columns, schema=self._schema))

    def write_moments(self, image: Indices, moments: Mapping[str, MomentArrays]) -> None:
        """Append moments over images, for a recording without values.

        Parameters
        ----------
        image
            Index of each image, shape (images,). The commit checks that no image occurs twice.
        moments
            Mapping from columns to arrays of shape (4, channels): mean, m2 (sum of squared
            deviations from the mean), minimum and maximum of each channel.

        Raises
        ------
        RecordingError
            If the disk fails.
        """
        for column, (mean, m2, low, high) in moments.items():
            channels = len(mean)
            columns = {
                "column": [column] * channels,
                "channel": np.arange(channels, dtype=np.int32),
                "n": np.full(channels, len(image)),
                **{"mean": mean, "m2": m2, "min": low, "max": high},
            }
            self._append(pa.record_batch(columns, schema=self._schema))
        with writing(self.path):
            np.save(images_path(self.path.parent, self._rank), image)

    def _append(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._waiting_bytes += batch.nbytes
        if self._waiting_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting)
            groups = max(1, round(self._waiting_bytes / ROW_GROUP_BYTES))  # of one large batch
            with writing(self.path):
                self._parquet.write_table(table, row_group_size=max(1, -(-len(table) // groups)))
            self.rows += table.num_rows
        self._waiting, self._waiting_bytes = [], 0

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._give_up()
            return
        try:
            self._finish()
        except BaseException:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Close a discarded file, ignoring errors of the disk."""
        with suppress(OSError, pa.ArrowException):
            self._parquet.close()

    def _finish(self) -> None:
        self._flush()
        with writing(self.path):
            self._parquet.close()
            sync(self.path)
            record = {
                "name": self.path.name,
                "rows": self.rows,
                "bytes": self.path.stat().st_size,
                "sha256": sha256(self.path),
                "footer_sha256": footer_sha256(self.path),
            }
            self._record.write_text(json.dumps(record))  # until the commit, which syncs the log


def images_path(directory: Path, rank: int) -> Path:
    """Return where the indices of images wait for the commit of an epoch of moments."""
    return directory / f"images-{rank}.npy"


def _optional(name: str, values: Indices | None, rows: int) -> pa.Array:
    kind = pa.int32()
    return pa.nulls(rows, kind) if values is None else _integers(name, values, rows, kind)


def _integers(name: str, values: Indices, rows: int, kind: pa.DataType) -> pa.Array:
    values = np.asarray(values)
    if values.shape != (rows,) or values.dtype.kind not in "iu":
        raise RecordingError(
            f"column {name!r} must hold {rows} whole numbers, got shape {values.shape} of "
            f"{values.dtype}"
        )
    try:
        return pa.array(values, kind)
    except pa.ArrowInvalid as error:
        raise RecordingError(f"column {name!r} must hold numbers of {kind}: {error}") from error


def _list_array(field: pa.Field, vectors: Mapping[str, ColumnValues], rows: int) -> pa.Array:
    values = vectors.get(field.name)
    expected = (rows, field.type.list_size)
    if values is None or values.shape != expected:
        came = "nothing" if values is None else f"shape {values.shape}"
        raise RecordingError(
            f"column {field.name!r} must have shape {expected}, got {came}; the model's gates "
            "changed after the recording was opened"
        )
    flat = pa.array(np.ascontiguousarray(_float32(field.name, values)).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, type=field.type)


def _float32(name: str, values: np.ndarray) -> np.ndarray:
    """Return real numbers as float32, rounded; what is too large for it is an error."""
    if values.dtype == np.float32:
        return values
    if values.dtype.kind not in "fiub":
        raise RecordingError(f"column {name!r} must hold real numbers, got {values.dtype}")
    with np.errstate(over="ignore"):
        converted = values.astype(np.float32)
    if np.isinf(converted).sum() > np.isinf(values).sum():
        raise RecordingError(
            f"column {name!r} must hold numbers of float32, got {np.abs(values).max():g}"
        )
    return converted
