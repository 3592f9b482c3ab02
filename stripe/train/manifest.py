"""The SHA-256 of every file of a run, so that a changed file raises an error."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from stripe.errors import StripeError
from stripe.files import drafted, read_regular, sha256

#: The manifest beside the files that it names; `sha256sum --check` reads it too.
MANIFEST = "manifest.sha256"
#: Files that mark a finished run or measurement.
LAST = ("model.safetensors", "measured.json")
#: Files that a manifest in the same folder must name. Other files may be the user's own.
MUST_BE_NAMED = ("config.json", "history.parquet", "state.pt", *LAST)
#: Path of the settings of the run that wrote a checkpoint, relative to the checkpoint.
OF_RUN = "../../config.json"
_LINE = rf"([0-9a-f]{{64}})  ([!-.0-~]+|{re.escape(OF_RUN)})\n"

_REMEDIES = {
    "config.json": "undo the change, or copy the file elsewhere and start another run from the "
    "copy with --config"
}


def write_manifest(folder: Path, digests: Mapping[str, str]) -> None:
    """Write the digests of files in `folder`, by name. The manifest is replaced atomically."""
    lines = [f"{digest}  {name}\n" for name, digest in sorted(digests.items())]
    with drafted(folder / MANIFEST) as draft:
        draft.write_text("".join(lines))


def digests_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of those files in `folder` that exist."""
    return {name: sha256(folder / name) for name in names if (folder / name).is_file()}


def read_manifest(folder: Path) -> dict[str, str] | None:
    """Return the digests of the files in `folder`, or None if there is no manifest.

    Raises
    ------
    StripeError
        If the manifest is damaged or cannot be read.
    """
    file = folder / MANIFEST
    if not os.path.lexists(file):
        return None
    try:
        text = read_regular(file).decode("latin-1")
    except OSError as error:
        raise StripeError(f"{file} cannot be read: {error}; restore it from a copy") from error
    pairs = [(name, digest) for digest, name in re.findall(_LINE, text)]
    if not re.fullmatch(f"({_LINE})+", text) or len(dict(pairs)) < len(pairs):
        raise StripeError(
            f"{file} is damaged; restore it from a copy, or remove it to use {folder} unchecked"
        )
    return dict(pairs)


def checked(file: Path) -> Path:
    """Return the path of a file, after a comparison with the manifest beside it.

    Notes
    -----
    Old runs have no manifest, and their files are not checked. `stripe verify` reports this.

    Raises
    ------
    StripeError
        If the file was changed or is not a regular file, or the manifest is damaged.
    """
    digests = read_manifest(file.parent)
    if not os.path.lexists(file):  # reading a missing file raises the error
        return file
    if not file.is_file():
        raise StripeError(
            f"{file} must be a file, and is a folder, a pipe, a device or a broken link; restore "
            "it from a copy"
        )
    if digests is None:
        return file
    if file.name not in digests and file.name not in MUST_BE_NAMED:
        return file
    if digests.get(file.name) != sha256(file):
        remedy = _REMEDIES.get(file.name, f"restore it from a copy, or remove {file.parent}")
        raise StripeError(
            f"{file} is not the file that was written (its SHA-256 is not that in {MANIFEST}); "
            f"{remedy}"
        )
    return file
