"""The file `recording.json`."""

import uuid
from typing import Any, NamedTuple

from stripe.errors import RecordingError
from stripe.files import parse_json, read_regular
from stripe.recording.field_types import check_fields, check_header
from stripe.recording.layout import Layout
from stripe.recording.schema import FORMAT_VERSION, Header
from stripe.recording.sealed import Sealed, checked_digest, seal


class StoredHeader(NamedTuple):
    """The content of `recording.json`, and its SHA-256 (None for format version 1)."""

    header: Header
    digest: str | None


def seal_header(header: Header) -> Sealed:
    """Return the content of `recording.json`, with an `id` that no other recording has.

    Log records name the header by its digest, so the id keeps the epochs of two recordings of the
    same settings apart.
    """
    return seal({**header.to_json(), "id": uuid.uuid4().hex})


def read_header(layout: Layout) -> StoredHeader:
    """Read `recording.json`.

    Raises
    ------
    RecordingError
        If it is missing or damaged, or of another format version.
    """
    path = layout.header
    if not path.is_file():
        missing = f"{path.name} is missing"
        if not layout.root.is_dir():
            missing = "it is a file" if layout.root.exists() else "there is no such directory"
        raise RecordingError(
            f"no recording at {layout.root}: {missing}; give what a Recorder wrote, or a training "
            "run that recorded"
        )
    digest = None
    try:
        content = read_regular(path)
        values: Any = parse_json(content)
        if _is_sealed(values):
            digest = checked_digest(content)
            del values["sha256"]
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"{path} is damaged and cannot be read ({error}); restore it from a copy"
        ) from error
    header = Header.from_json(values, path)
    try:
        for part in (*header.gates, header):
            check_fields(part)
        check_header(header)
    except ValueError as error:
        raise RecordingError(f"{path} is not the header of a recording: {error}") from error
    return StoredHeader(header, digest)


def _is_sealed(values: Any) -> bool:
    """Tell whether this must have a digest; a flip of one bit does not turn a 2 into a 1."""
    version = values.get("format_version") if isinstance(values, dict) else None
    return version == FORMAT_VERSION or (isinstance(values, dict) and "sha256" in values)
