"""Read a recording."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float32

from stripe.errors import RecordingError
from stripe.recording.arrow import arrow_stream
from stripe.recording.display import Gates, recording_html
from stripe.recording.finished_part import FinishedPart, Vectors, matrix
from stripe.recording.header import read_header
from stripe.recording.layout import Layout, recording_of
from stripe.recording.log import Log
from stripe.recording.schema import (
    RecordedGate,
    gate_column,
    input_column,
    spatial_column,
)
from stripe.recording.verify import verify
from stripe.recording.xarray_tree import as_data_tree
from stripe.registry import listed
from stripe.select import Selection, select, unknown_name
from stripe.typed import typed

if TYPE_CHECKING:
    import xarray as xr


@typed
def open_recording(path: "Recorded") -> "Recording":
    """Open the recording in the directory `path`, even while another process writes to it.

    If `path` is the directory of a training run, its recording is opened. If `path` is an open
    recording, it is returned unchanged.

    Raises
    ------
    RecordingError
        If there is no recording, its format version is not supported, or its header or the list of
        its epochs is missing, damaged or from another recording.

    Examples
    --------
    >>> recording = stripe.open_recording("runs/mine")
    >>> recording.gates[["name", "channels"]].head(1)
                    name  channels
    0  layer1.0.bn2.gate        16
    """
    return path if isinstance(path, Recording) else Recording(path)


class Recording:
    """Gates over images and epochs, read from a directory that `Recorder` wrote.

    Every method reads the values that it needs from disk and does not keep them. `rows`, `values`,
    `inputs` and `spatial` sort by image, whatever the order of recording. Rows of two epochs
    correspond if the epochs hold the same images. The default epoch of a method is the last one.

    Parameters
    ----------
    path
        The directory of a recording or of a training run.

    Raises
    ------
    RecordingError
        As for `stripe.open_recording`. The methods raise the errors that `values` lists.

    Examples
    --------
    >>> recording = stripe.open_recording("runs/mine")
    >>> recording.epochs
    [0, 1, 2]
    >>> recording.values("layer1.0.bn2.gate", epoch=2).shape
    (8, 16)
    """

    @typed
    def __init__(self, path: str | Path) -> None:
        self._layout = Layout(recording_of(Path(path).expanduser()))
        stored = read_header(self._layout)
        self.header = stored.header
        self._log = Log(self._layout, stored)
        self._log.head()  # it knows the digest of the header

    def __repr__(self) -> str:
        return (
            f"Recording({str(self.path)!r}: {len(self.header.gates)} gates, epochs {self.epochs})"
        )

    def _repr_html_(self) -> str:
        return recording_html(self.path, self.header, lambda: self.epochs, self.parts)

    @property
    def path(self) -> Path:
        """The directory of the recording."""
        return self._layout.root

    @property
    def gates(self) -> pd.DataFrame:
        """One row per gate, in forward order. The columns are the fields of `RecordedGate`."""
        return Gates(self.header.gates).frame()

    @property
    def epochs(self) -> list[int]:
        """The recorded epochs, ascending. A missing directory or log record raises an error."""
        return self._log.committed()

    @property
    def images(self) -> pd.DataFrame:
        """Images of the last epoch: image (int64), label and prediction (nullable Int32)."""
        return self.rows()

    @property
    def last_epoch(self) -> int:
        """The last epoch, which has the highest number. Without epochs, an error is raised."""
        if not (epochs := self.epochs):
            raise RecordingError(f"{self.path} holds no epoch yet; record one first")
        return epochs[-1]

    @typed
    def rows(self, epoch: int | None = None) -> pd.DataFrame:
        """Return image (int64), label and prediction (nullable Int32) of each row of `values`."""
        self._check_values()
        table = self._read(epoch, ["image", "label", "prediction"])
        frame = pd.DataFrame({
            "image": table["image"].to_numpy(),
            "label": pd.array(table["label"].to_pandas(), dtype="Int32"),
            "prediction": pd.array(table["prediction"].to_pandas(), dtype="Int32"),
        })  # fmt: skip
        frame = frame.sort_values("image", ignore_index=True)
        self._check_once(frame["image"].to_numpy(), epoch)
        return frame

    @typed
    def values(self, gate: str, epoch: int | None = None) -> Vectors:
        """Return the values of a gate for every image of an epoch. Default: the last epoch.

        The array has the shape (images, channels), is float32, and is read-only. If one process
        recorded the images in ascending order, as with an unshuffled loader, the array is usually a
        view of Arrow's memory. Otherwise it is a copy.

        Raises
        ------
        UnknownNameError
            If the gate is not in the recording.
        RecordingError
            If the epoch was not recorded, the gate is a spatial map, the recording holds only
            moments, an image occurs twice, or a file is damaged.
        """
        if self.gate(gate).kind == "spatial":
            raise RecordingError(f"{gate!r} is a spatial map; read it with spatial()")
        return self._vectors(gate_column(gate), epoch)

    @typed
    def inputs(self, gate: str, epoch: int | None = None) -> Vectors:
        """Return the global average of the features that a gate multiplies, for every image.

        Figure 2 of the ASR paper shows these averages as "before". Shape, order and errors are as
        for `values`. If the averages were not recorded, `RecordingError` is raised.
        """
        if not self.gate(gate).pooled:
            raise RecordingError(
                f"{self.path} holds no pooled inputs of {gate!r}; record with inputs=True"
            )
        return self._vectors(input_column(gate), epoch)

    @typed
    def spatial(
        self, gate: str, epoch: int | None = None
    ) -> Float32[np.ndarray, "images height width"]:
        """Return the spatial attention map of every image, shape (images, H, W).

        Order and dtype are as for `values`. Any other gate raises `RecordingError`.
        """
        size = self.gate(gate).spatial
        if size is None:
            raise RecordingError(
                f"{gate!r} is not a spatial map; record with spatial=True, which gives each map "
                "its own name"
            )
        return self._vectors(spatial_column(gate), epoch).reshape(-1, *size)

    @typed
    def gate(self, name: str) -> RecordedGate:
        """Return the description of the gate called `name` from the header."""
        for gate in self.header.gates:
            if gate.name == name:
                return gate
        names = [gate.name for gate in self.header.gates]
        raise unknown_name(name, names, kind="recorded gate", owner=str(self.path))

    @typed
    def scan(self, epoch: int) -> Iterator[dict[str, Vectors]]:
        """Yield the values of all gates except spatial maps, by name, for some images at a time.

        Each item holds the images of one block of rows (about 16 MiB, a row group of Parquet), in
        the order of recording. The required memory does not depend on the number of images.
        """
        self._check_values()
        names = {gate.name: gate_column(gate.name) for gate in self.header.channel_gates}
        for part in self.parts(epoch):
            yield from part.scan(names)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a stream of all rows for a reader of Arrow: `pa.table(recording)` or polars.

        The columns are epoch and those of the Parquet files. Rows are in the order of recording.
        """
        self._check_values()
        parts = [part for epoch in self.epochs for part in self.parts(epoch)]
        return arrow_stream(self.header, parts).__arrow_c_stream__(requested_schema)

    @typed
    def to_xarray(
        self, gates: Selection = "all", epochs: Sequence[int] | None = None
    ) -> "xr.DataTree":
        """Return gates as labelled arrays, in memory.

        Parameters
        ----------
        gates
            Gates to read: "all", names, a pattern such as "layer3.*", or a predicate of `Gate`.
        epochs
            Epochs to read. Default: all.

        Returns
        -------
        xarray.DataTree
            One node per gate. A channel gate has the variable `gate` (epoch, image, channel). If
            the averages of the features were recorded, it also has `input`, with the same
            dimensions. A spatial map has the variable `map` (epoch, image, height, width). The root
            holds the coordinates epoch, image and label, and `prediction` (epoch, image).

        Raises
        ------
        StripeError
            If xarray (extra `xarray`) is not installed.
        UnknownNameError
            If a gate is not in the recording.
        RecordingError
            If an epoch was not recorded, `epochs` is empty, the epochs hold different images, the
            recording holds only moments, a file is damaged, or the name of a gate contains "/".

        Examples
        --------
        >>> tree = recording.to_xarray("layer1*")
        >>> tree["layer1.0.bn2.gate/gate"].sizes
        Frozen({'epoch': 3, 'image': 8, 'channel': 16})
        """
        self._check_values()
        known = {gate.name: gate for gate in self.header.gates}
        chosen = select(known, gates, kind="recorded gate", owner=str(self.path))
        if epochs is not None and len(epochs) == 0:
            raise RecordingError("epochs must name an epoch, got none; leave it out for all epochs")
        # Without any epoch, the last one is an error that says so.
        wanted = (self.epochs if epochs is None else list(epochs)) or [self.last_epoch]

        def read(gate: RecordedGate) -> dict[str, list[np.ndarray]]:
            ways = {"map": self.spatial} if gate.kind == "spatial" else {"gate": self.values}
            if gate.pooled and gate.kind != "spatial":
                ways["input"] = self.inputs
            return {name: [way(gate.name, e) for e in wanted] for name, way in ways.items()}

        rows = {epoch: self.rows(epoch) for epoch in wanted}
        return as_data_tree(self.header, [known[name] for name in chosen], rows, read)

    def _check_values(self) -> None:
        if not self.header.per_image:
            raise RecordingError(
                f"{self.path} holds moments only, recorded with values=False; "
                "stripe.stats.channel_moments and stripe_index read them"
            )

    def verify(self) -> pd.DataFrame:
        """Check every Parquet file against its log record, and the log itself.

        Returns
        -------
        DataFrame
            One row per Parquet file: epoch, part (name of the file), rows, bytes, sha256.

        Raises
        ------
        RecordingError
            At the first file that is missing, unexpected, truncated or changed, or if an image
            occurs twice in an epoch. The message names the file or the directory of the epoch.
        """
        return verify(self._layout, self._log)

    @typed
    def weights(self, epoch: int | None = None) -> str | None:
        """Return the `stripe.gates.fingerprint` of the weights of an epoch, None if not stored."""
        epoch = self.last_epoch if epoch is None else epoch
        self._check_recorded(epoch)
        return self._log.record(epoch).weights

    def _vectors(self, column: str, epoch: int | None) -> Vectors:
        self._check_values()
        table = self._read(epoch, ["image", column])
        images, values = table["image"].to_numpy(), matrix(table[column])
        if np.all(images[1:] > images[:-1]):
            return values
        order = np.argsort(images)
        self._check_once(images[order], epoch)
        values = values[order]
        values.flags.writeable = False
        return values

    def _check_once(self, images: np.ndarray, epoch: int | None) -> None:
        """Raise if an image comes twice among images in ascending order."""
        if len(twice := images[1:][images[1:] == images[:-1]]):
            raise RecordingError(
                f"{self._layout.epoch(self.last_epoch if epoch is None else epoch)} holds image "
                f"{twice[0]} more than once; record it again"
            )

    def _read(self, epoch: int | None, columns: list[str]) -> pa.Table:
        return pa.concat_tables([part.read(columns) for part in self.parts(epoch)])

    @typed
    def parts(self, epoch: int | None = None) -> list[FinishedPart]:
        """Return the Parquet files of an epoch, one per process. Default: the last epoch."""
        epoch = self.last_epoch if epoch is None else epoch
        self._check_recorded(epoch)
        directory, record = self._layout.epoch(epoch), self._log.record(epoch)
        return [
            FinishedPart(directory / part.name, part.footer_sha256, epoch, record.schema)
            for part in record.parts
        ]

    def _check_recorded(self, epoch: int) -> None:
        # To list all epochs at each of thousands would take longer than to read them.
        if self._layout.epoch(epoch).is_dir() and self._layout.log(epoch).is_file():
            return
        if epoch not in (epochs := self.epochs):
            recorded = listed([str(number) for number in epochs]) or "none"
            raise RecordingError(f"{self.path} holds no epoch {epoch}; recorded: {recorded}")


#: A recording, or its directory.
Recorded = Recording | str | Path
