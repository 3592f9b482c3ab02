"""The contents of a recording: its header in JSON, its rows in Parquet.

A recording of format version 2 is a directory::

    recording.json                   header: gates, model, dataset, seed, versions, a random id
    log/head.json                    head of the log: digest of the header, epochs in the order of
                                     their commits, digest of the last log record
    log/EPOCH.json                   log record: digest of the header, digest of the record before
                                     it, epoch, rows, columns, digest of the weights that were
                                     recorded, and name, rows, size and SHA-256s of every part
    data/epoch=EPOCH/part-RANK.parquet   one row per image; its metadata holds the epoch
                                     and a random id
    staging/                         epochs that are being written or dropped
    LOCK                             held by the one writer

Every JSON file is sealed: its last key, "sha256", is the SHA-256 of the bytes of the file before
the digits. A changed bit in any of them raises an error that names the file. The files are linked
by digests: a record holds those of its parts, the next record or the head holds that of the record,
and all records and the head hold that of the header. A file that is replaced, swapped or removed is
therefore noticed too. Digests detect accidents, not forgery: anyone can write another recording
with valid digests.

Opening a recording checks the header and the head. Reading an epoch checks its log record, the
footer and the page checksums of its parts, and the form of the columns that are read. `verify`
checks every file, and that no image comes twice.

An epoch is committed in this order: parts, log record, head, rename into `data/`. An epoch that is
in the head and still in `staging/` is not recorded; the next writer drops it. `discard` moves an
epoch back into `staging/` and drops it in the same way.

Format version 1 has no seals, no head, no digests of header, record and weights, and no epoch in
the metadata of parts. A recording of version 1 is read, and is verified as far as its logs allow. A
writer that continues such a recording first verifies it, and then seals it as version 2.
"""

import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from stripe.errors import RecordingError

FORMAT_VERSION = 2
#: Older version that is read, and upgraded when a recording is continued.
UNSEALED_VERSION = 1
#: Columns that may hold nulls.
NULLABLE = ("label", "prediction")


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A place in a model where a gate multiplies a feature map.

    Parameters
    ----------
    name
        Dotted name of the module that outputs the gate, or of the owner if no module outputs it. If
        the owner is the model itself, the name is that of its class. A number such as `:1` is
        appended if the name is taken, or if the owner multiplies by several tensors of the shape of
        a gate.
    owner
        Dotted name of the innermost module that multiplies features by the gate; "" for the model.
    owner_class
        Name of the owner's class.
    channels
        Number of values in a row of the gate: C; R x C for the layout "NRC11"; 1 for a spatial map.
    groups
        Number R of branches for the layout "NRC11", otherwise 1.
    kind
        - "gate": a factor that is bounded by a function such as sigmoid, or that `stripe.insert`
          added;
        - "split": bounded weights of several branches, which are summed after the product;
        - "response": an unbounded factor, as in the global response normalisation (GRN) of ConvNeXt
          V2;
        - "spatial": a bounded map that multiplies every channel;
        - "constant": a factor that does not depend on the image (ASR, see `stripe.insert`).
    layout
        Axes of the gate, where N is the batch (B in the shapes of the features): "NC11" for
        features (B, C, H, W), "N11C" for channels last (B, H, W, C), "N1C" for tokens (B, T, C),
        "NC1" for signals (B, C, T), "NC111" for clips (B, C, T, H, W), "N111C" for clips with
        channels last, "NRC11" for R branches (B, R, C, H, W), "N1HW" for a spatial map that
        multiplies features (B, C, H, W).
    producer
        Dotted name of the innermost module that computed the features. It is "" if the model itself
        computed them, or if they are its input.
    consumers
        Dotted names of the innermost modules that read the product; "" for the model.
    dtype
        dtype of the values in the model, such as "float16". They are stored as float32.
    spatial
        (height, width) of a spatial map; otherwise None.
    per_image_values
        Number of rows of the gate per image. It is above 1 if the batch dimension also holds
        frames, patches or flipped copies of an image; by default, the mean over these rows is then
        recorded. It is 0 if the rows cannot be divided evenly among the images. Groups of channels
        in the batch dimension count as channels, not as rows.

    Examples
    --------
    >>> gate = stripe.find_gates(model, images)[0]
    >>> gate.name, gate.channels, gate.kind, gate.layout
    ('layer1.0.bn2.gate', 16, 'gate', 'NC11')
    """

    name: str
    owner: str
    owner_class: str
    channels: int
    groups: int = 1
    kind: str = "gate"
    layout: str = "NC11"
    producer: str = ""
    consumers: tuple[str, ...] = ()
    dtype: str = "float32"
    spatial: tuple[int, int] | None = None
    per_image_values: int = 1


@dataclass(frozen=True, kw_only=True)
class RecordedGate(Gate):
    """A gate of a recording. The names of its columns, such as `gate/NAME`, contain its name.

    Parameters
    ----------
    pooled
        Whether the global average of the features that the gate multiplies (before the product) is
        also recorded.

    Examples
    --------
    >>> from stripe.recording import RecordedGate
    >>> gate = RecordedGate.of(stripe.find_gates(model, images)[0], pooled=False)
    >>> gate.name, gate.pooled
    ('layer1.0.bn2.gate', False)
    """

    pooled: bool = True

    @classmethod
    def of(cls, gate: Gate, *, pooled: bool) -> "RecordedGate":
        """Return a gate from `find_gates` as a gate of a recording.

        For a spatial map, `pooled` is always False.
        """
        return cls(**{**vars(gate), "pooled": pooled and gate.kind != "spatial"})


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header of a recording, stored in `recording.json`.

    Parameters
    ----------
    gates
        The recorded gates, in forward order.
    model, dataset
        Names of the network and of the data set; "" if unknown.
    model_class
        Name of the network's class; "" if unknown.
    seed
        Seed of the run; None if unknown.
    per_image
        Whether every image has a row. If False, the recording holds only moments over images.
    input_shape
        Shape of one image, usually (C, H, W); None if unknown.
    versions
        Versions of Python and of the libraries, by name.

    Examples
    --------
    >>> header = recording.header
    >>> header.model, header.per_image, len(header.channel_gates)
    ('CifarResNet', True, 3)
    """

    gates: tuple[RecordedGate, ...]
    model: str = ""
    model_class: str = ""
    dataset: str = ""
    seed: int | None = None
    per_image: bool = True
    input_shape: tuple[int, ...] | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def channel_gates(self) -> tuple[RecordedGate, ...]:
        """The gates with one value per channel, which are all except spatial maps."""
        return tuple(gate for gate in self.gates if gate.kind != "spatial")

    def to_json(self) -> dict[str, Any]:
        """Return the header as JSON values."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, values: dict[str, Any], path: Path) -> "Header":
        """Return the header that JSON values describe; error messages name `path`.

        Raises
        ------
        RecordingError
            If the format version is unknown, or a field is missing or unknown.
        """
        version = values.pop("format_version", None) if isinstance(values, dict) else None
        if type(version) is not int or version not in (UNSEALED_VERSION, FORMAT_VERSION):
            raise RecordingError(
                f"{path} must have format version {UNSEALED_VERSION} or {FORMAT_VERSION}, got "
                f"{version!r}; read it with the version of stripe that wrote it"
            )
        values.pop("id", None)
        try:
            gates = tuple(_gate(gate) for gate in values.pop("gates"))
            shape = values.pop("input_shape", None)
            return cls(gates=gates, input_shape=shape and tuple(shape), **values)
        except (KeyError, TypeError, AttributeError) as error:
            raise RecordingError(f"{path} is not the header of a recording: {error}") from error


def _gate(values: dict[str, Any]) -> RecordedGate:
    spatial, consumers = values.pop("spatial", None), values.pop("consumers", ())
    size = tuple(spatial) if spatial else None
    return RecordedGate(spatial=size, consumers=tuple(consumers), **values)


def gate_column(name: str) -> str:
    """Return the column of a gate's values."""
    return f"gate/{name}"


def input_column(name: str) -> str:
    """Return the column of the pooled features that a gate multiplies."""
    return f"input/{name}"


def spatial_column(name: str) -> str:
    """Return the column of a spatial attention map."""
    return f"spatial/{name}"


def arrow_schema(gates: tuple[RecordedGate, ...]) -> pa.Schema:
    """Return the columns of a part: the image, its label and prediction, one column per gate."""
    fields = [
        pa.field("image", pa.int64(), nullable=False),
        pa.field("label", pa.int32()),
        pa.field("prediction", pa.int32()),
    ]
    for gate in gates:
        if gate.spatial:
            height, width = gate.spatial
            size = {"height": str(height), "width": str(width)}
            fields.append(_vector(spatial_column(gate.name), height * width, size))
            continue
        fields.append(_vector(gate_column(gate.name), gate.channels))
        if gate.pooled:
            fields.append(_vector(input_column(gate.name), gate.channels))
    return pa.schema(fields)


def part_schema(header: Header) -> pa.Schema:
    """Return the columns of the parts of a recording."""
    return arrow_schema(header.gates) if header.per_image else moments_schema()


def of_one_file(schema: pa.Schema, epoch: int) -> pa.Schema:
    """Return the schema of one part of an epoch, whose metadata holds the epoch and an id.

    The id keeps the footers of two parts apart that have the same rows and sizes.
    """
    return schema.with_metadata({"epoch": str(epoch), "id": uuid.uuid4().hex})


def moments_schema() -> pa.Schema:
    """Return the columns of a part that holds moments: one row per channel of every column.

    `column` is the name that it would have among values, `channel` counts from 0, `m2` is the sum
    of squared deviations from the mean over n images.
    """
    names = ("mean", "m2", "min", "max")
    return pa.schema([
        pa.field("column", pa.string(), nullable=False),
        pa.field("channel", pa.int32(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in names),
    ])  # fmt: skip


def _vector(name: str, length: int, metadata: dict[str, str] | None = None) -> pa.Field:
    element = pa.field("element", pa.float32(), nullable=False)
    return pa.field(name, pa.list_(element, length), nullable=False, metadata=metadata)
