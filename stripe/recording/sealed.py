"""JSON files that end with the SHA-256 of their content."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from stripe.files import parse_json, read_regular

_KEY = b',\n "sha256": "'
_END = b'"\n}\n'
_DIGITS = 64


class Sealed(NamedTuple):
    """The content of a sealed file, and its SHA-256 in hexadecimal digits."""

    content: bytes
    digest: str


def seal(values: dict[str, Any]) -> Sealed:
    """Return `values`, which must not be empty, as JSON with one more key, "sha256".

    The digest is that of all bytes before its first digit. A reader can therefore check it without
    writing the values as JSON again.
    """
    body = json.dumps(values, indent=1).encode().removesuffix(b"\n}") + _KEY
    digest = hashlib.sha256(body).hexdigest()
    return Sealed(body + digest.encode() + _END, digest)


def unseal(path: Path) -> tuple[dict[str, Any], str]:
    """Read a sealed file: its values and its digest.

    Raises
    ------
    ValueError
        If any bit of the file changed.
    OSError
        If the file cannot be read.
    """
    content = read_regular(path)
    digest = checked_digest(content)
    values: dict[str, Any] = parse_json(content)
    del values["sha256"]
    return values, digest


def checked_digest(content: bytes) -> str:
    """Return the digest at the end of a sealed file; raise a ValueError if it does not match."""
    cut = max(0, len(content) - len(_END) - _DIGITS)
    digest = hashlib.sha256(content[:cut]).hexdigest()
    if content[cut:] != digest.encode() + _END:
        raise ValueError("its content does not have the SHA-256 at its end")
    return digest
