"""Writes that survive a loss of power, and digests that detect damage."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from stripe.errors import RecordingError, StripeError

#: No JSON file, manifest or table that is read as a whole is larger.
MOST_BYTES = 1 << 28
#: Endings of pages for a browser.
PAGES = (".html", ".htm")
#: A file is read in pieces of this many bytes where its size is not to be trusted.
_PIECE = 1 << 20


@contextmanager
def writing(path: Path, kind: type[StripeError] = RecordingError) -> Iterator[None]:
    """Convert an `OSError` in the block to an error of class `kind` that names `path`."""
    try:
        yield
    except OSError as error:
        raise kind(
            f"cannot write {path}: {error.strerror or error}; make room or choose a directory that "
            "can be written"
        ) from error


def sync(path: Path) -> None:
    """Flush a file or a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, so that they survive a loss of power."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync(folder.absolute().parent)


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading. Opening a pipe of the same name could block forever.

    Raises
    ------
    OSError
        If there is no file, or `path` is a pipe, a device or a directory.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is no regular file")
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a regular file of at most `most` bytes.

    Raises
    ------
    OSError
        As for `open_regular`; or if the file is larger, or becomes larger while it is read.
    """
    content = bytearray()
    with open_regular(path) as file:
        large = os.fstat(file.fileno()).st_size > most
        while not large and (more := file.read(_PIECE)):
            content += more
            large = len(content) > most
    if large:
        raise OSError(f"it has more than {most} bytes")
    return bytes(content)


def refuse_links(*paths: Path) -> None:
    """Raise a `StripeError` if one of the paths is a symbolic link.

    The target of a link may belong to another program, so nothing is written or deleted through
    one.
    """
    for path in paths:
        if path.is_symlink():
            raise StripeError(
                f"{path} is a link, and nothing is written or deleted through a link; remove it, "
                "or move what it points to into its place"
            )


def check_target(path: Path, endings: Sequence[str], what: str) -> None:
    """Raise a `StripeError` if a path cannot be written, or has another ending than its format.

    Call it before the work for the file begins.
    """
    if path.suffix not in endings:
        listed = " or ".join(filter(None, [", ".join(endings[:-1]), endings[-1]]))
        better = path.parent / f"{path.stem or 'out'}{endings[0]}"
        raise StripeError(f"{what} ends in {listed}, got {path}; choose a name such as {better}")
    # Functions of os.path take what may not be looked at for absent; those of Path raise an error.
    folder = next(one for one in path.absolute().parents if os.path.lexists(one))
    why = (
        "it is a folder" if os.path.isdir(path)
        else f"{folder} is not a folder" if not os.path.isdir(folder)
        else f"you may not write in {folder}" if not os.access(folder, os.W_OK)
        else ""
    )  # fmt: skip
    if why:
        raise StripeError(f"cannot write {path}: {why}; choose another file")


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Yield the path of a draft, which replaces `path` if nothing was raised.

    The draft and its directory are flushed to the disk, so that `path` holds either its old content
    or all of the new file, even after a loss of power. The draft is a new file, so that nothing is
    written into one that has a second name elsewhere.
    """
    with _put(path.with_name(path.name + ".draft"), path) as draft:
        yield draft


@contextmanager
def saving(path: Path) -> Iterator[Path]:
    """Yield the path of a draft as `drafted` does, with the suffix of `path`; make its folder.

    Use it for files that a user requests: tables, pictures, weights.

    Raises
    ------
    StripeError
        If the file cannot be written; the old content of `path` then stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _put(path.with_name(f".{path.stem}.draft{path.suffix}"), path) as draft:
            yield draft
    except OSError as error:
        raise StripeError(
            f"cannot write {path}: {error.strerror or error}; make room or choose another file"
        ) from error


@contextmanager
def _put(draft: Path, path: Path) -> Iterator[Path]:
    """Replace `path` by a draft, or remove the draft if an error was raised."""
    refuse_links(draft)
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
    try:
        yield draft
        sync(draft)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync(path.parent)


def parse_json(content: bytes) -> Any:
    """Return the values of JSON from an untrusted source.

    Raises
    ------
    ValueError
        If the content is not JSON, is nested too deeply, holds half of a surrogate pair, or needs
        more memory than there is.
    """
    try:
        values = json.loads(content)
        if b"\\ud" in content.lower():
            json.dumps(values, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except MemoryError:
        raise ValueError("it needs more memory than there is") from None
    return values


def write_json(path: Path, value: Any) -> None:
    """Save `value` for the user as JSON, as `saving` does."""
    with saving(path) as draft:
        draft.write_text(json.dumps(value, indent=1) + "\n")


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` so that `path` holds either its old content or the whole new content."""
    with drafted(path) as draft:
        draft.write_bytes(content)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def footer_sha256(path: Path) -> str:
    """Return the SHA-256 of the footer of a Parquet file, which page checksums do not cover.

    The file ends with the footer, the footer's length in four bytes, and four magic bytes.
    """
    with open_regular(path) as file:
        file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, os.SEEK_END)
        return hashlib.sha256(file.read()).hexdigest()
