"""Check that a recording can be continued, and upgrade one of format version 1."""

from dataclasses import asdict, replace
from pathlib import Path

from stripe.errors import RecordingError
from stripe.files import write_whole
from stripe.recording.header import StoredHeader, seal_header
from stripe.recording.layout import Layout
from stripe.recording.log import Log
from stripe.recording.schema import Header, RecordedGate
from stripe.recording.verify import verify


def check_same(there: Header, here: Header, root: Path) -> None:
    """Raise an error if a recording has other gates, another network or other images.

    Weights may differ, because every epoch of a training has its own.
    """
    if there.per_image != here.per_image:
        kept = "values" if there.per_image else "moments only"
        raise RecordingError(f"{root} holds {kept}; record the other into another directory")
    if [_form(gate) for gate in there.gates] != [_form(gate) for gate in here.gates]:
        known, new = ({gate.name for gate in header.gates} for header in (there, here))
        differing = sorted(known ^ new) or [
            "the same names with other classes, shapes, kinds or inputs="
        ]
        raise RecordingError(
            f"{root} records other gates ({differing[0]}); record this model into another directory"
        )
    # Format version 1 does not know the class.
    known_class = there.model_class or here.model_class
    for what, began, comes in (
        ("model", there.model, here.model),
        ("model class", known_class, here.model_class),
        ("data set", there.dataset, here.dataset),
        ("seed", there.seed, here.seed),
        ("image shape", there.input_shape, here.input_shape),
    ):
        if began != comes:
            raise RecordingError(
                f"{root} must be continued with the {what} {began!r} that it began with, got "
                f"{comes!r}; give the same, or record into another directory"
            )


def _form(gate: RecordedGate) -> tuple[object, ...]:
    """Return the properties of a gate that must not change in a continued recording."""
    return (
        *(gate.name, gate.owner_class, gate.channels, gate.groups, gate.kind),
        *(gate.pooled, gate.spatial),
    )


def upgrade(layout: Layout, stored: StoredHeader, here: Header) -> StoredHeader:
    """Verify a recording of format version 1 and seal it.

    The header is written last. Until then, the recording reads as format version 1, whose readers
    ignore unknown fields.
    """
    old = Log(layout, stored)
    verify(layout, old)
    header = replace(stored.header, model_class=here.model_class)
    content, digest = seal_header(header)
    new = Log(layout, StoredHeader(header, digest))
    records = [old.record(epoch) for epoch in layout.epochs()]
    new.begin()
    for record in records:
        parts = [asdict(part) for part in record.parts]
        new.append(record.epoch, parts, record.weights)
    write_whole(layout.header, content)
    return StoredHeader(header, digest)
