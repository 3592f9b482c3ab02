"""The file `recording.json`."""

import uuid
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from stripe.errors import RecordingError
from stripe.files import parse_json, read_regular
from stripe.recording.field_types import check_fields, check_header
from stripe.recording.layout import HEADER, OF_RUN, Layout
from stripe.recording.schema import FORMAT_VERSION, Header
from stripe.recording.sealed import Sealed, checked_digest, seal
from stripe.registry import listed


class StoredHeader(NamedTuple):
    """The content of `recording.json`, and its SHA-256 (None for format version 1)."""

    header: Header
    digest: str | None


def seal_header(header: Header) -> Sealed:
    """Return the content of `recording.json`, with an `id` that no other recording has.

    Log records refer to the header by its digest. The id makes the digests of two recordings with
    the same settings different.
    """
    return seal({**header.to_json(), "id": uuid.uuid4().hex})


def _no_recording(layout: Layout) -> str:
    """Say that there is no recording, and which ones are near."""
    folder = layout.root
    if folder.is_dir():
        missing = f"{HEADER} is missing"
    else:
        missing = "it is a file" if folder.exists() else "there is no such directory"
    advice = "give what a Recorder wrote, or a training run that recorded"
    if inside := _recordings_in(folder):
        advice = f"give one of the recordings in it: {listed(inside, 3)}"
    elif beside := get_close_matches(str(folder), _recordings_in(folder.parent), n=1):
        advice = f"did you mean {beside[0]}?"
    return f"no recording at {folder}: {missing}; {advice}"


def _recordings_in(folder: Path) -> list[str]:
    """Return the recordings, or runs that recorded, directly in a folder."""
    try:
        found = [*folder.glob(f"*/{HEADER}"), *folder.glob(f"*/{OF_RUN}/{HEADER}")]
    except OSError:
        return []
    return sorted({str(folder / one.relative_to(folder).parts[0]) for one in found})


def read_header(layout: Layout) -> StoredHeader:
    """Read `recording.json`.

    Raises
    ------
    RecordingError
        If the file is missing or damaged, or its format version is not supported.
    """
    path = layout.header
    if not path.is_file():
        raise RecordingError(_no_recording(layout))
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
