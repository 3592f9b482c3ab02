"""The directory of a run: its lock, its settings, and whether it can be resumed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from beartype.door import is_bearable

from stripe.errors import StripeError
from stripe.files import drafted, make_folder, parse_json, read_regular, refuse_links, sha256
from stripe.locks import FileLock
from stripe.settings import Settings
from stripe.train.device import hardware, resolve_device
from stripe.train.manifest import MANIFEST, checked, write_manifest
from stripe.versions import command_line, commit, library_versions

#: The file of the settings, which exists once the run has begun.
CONFIG = "config.json"
#: The file of the last weights, which exists once the run is finished.
WEIGHTS = "model.safetensors"
#: The lock file of a training, which holds the number of its process.
LOCK = "run.lock"

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class DataShape:
    """The shape of a run's data, stored so that its network can be built without the data.

    Parameters
    ----------
    classes
        Number of classes.
    channels
        Channels of an image.
    image_size
        Side of an image in pixels.
    mean, std
        Mean and standard deviation per channel, with which images scaled to [0, 1] are normalised.
    """

    classes: int
    channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@contextmanager
def run_locked(config: Settings, *, resume: bool) -> Iterator[None]:
    """Hold the directory of a run, so that no other training writes into it.

    A finished run is not locked, because nothing is written into it. If no run begins, the
    directory is restored.

    Raises
    ------
    StripeError
        If another training holds the directory, or it contains other files.
    """
    folder = config.out
    if resume and (folder / WEIGHTS).exists():
        yield
        return
    _check_place(config, resume=resume)
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        make_folder(folder)
        lock = FileLock(folder / LOCK, remove=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        with lock:
            yield
    finally:
        with suppress(OSError):  # folders that are not empty stay
            for path in missing:
                path.rmdir()


def open_run(
    config: Settings, *, resume: bool, data: DataShape | None = None, initial: str | None = None
) -> None:
    """Make the directory of a run and write its settings, or check those of a run to resume.

    Parameters
    ----------
    config
        The run.
    resume
        Accept an existing run with these settings.
    data
        Shape and normalisation of the images, and the number of classes.
    initial
        SHA-256 of the weights with which the run begins.

    Raises
    ------
    StripeError
        If the directory contains other files or, with `resume`, a run with other settings.
    """
    file = config.out / CONFIG
    if resume and file.exists():
        differs = config.differences(read_config(file, type(config)))
        if initial is not None and read_values(file).get("initial_sha256") not in (None, initial):
            differs = ["the weights of initial", *differs]
        if differs:
            raise StripeError(
                f"{config.out} is a run with other settings ({', '.join(differs)}); resume it with "
                "its own settings, or choose another --out"
            )
        return
    _check_place(config, resume=resume)
    about: dict[str, Any] = {} if data is None else {"data": asdict(data)}
    about |= {} if initial is None else {"initial_sha256": initial}
    resolved = {**config.to_json(), **about}
    device = resolve_device(vars(config)["device"])
    made_on: dict[str, Any] = {"commit": commit(), "hardware": hardware(device)}
    if device.type == "cpu":
        made_on["threads"] = torch.get_num_threads()  # rounding depends on it
    resolved |= {"command": command_line(), "versions": library_versions(), "made_on": made_on}
    try:
        make_folder(config.out)
        with drafted(file) as draft:
            draft.write_text(json.dumps(resolved, indent=1) + "\n")
            # The digest is written first, so the file never exists without it.
            write_manifest(config.out, {CONFIG: sha256(draft)})
    except OSError as error:
        raise _cannot_write(config.out, error) from error


def _check_place(config: Settings, *, resume: bool) -> None:
    """Raise an error unless a run can begin in the directory or, with `resume`, has begun there."""
    file = config.out / CONFIG
    if resume and file.exists():
        return
    # Only these files exist after a start that was killed.
    drafts = {CONFIG + ".draft", MANIFEST, MANIFEST + ".draft"}
    refuse_links(*(config.out / name for name in drafts))
    there = config.out.iterdir() if config.out.is_dir() else [config.out]
    if config.out.exists() and not {path.name for path in there} <= {*drafts, LOCK}:
        hint = "continue it with --resume, or " if file.exists() else ""
        raise StripeError(
            f"{config.out} must be a new or empty directory; {hint}choose another with --out"
        )


def _cannot_write(folder: Path, error: OSError) -> StripeError:
    return StripeError(f"cannot write to {folder}: {error.strerror}; choose another with --out")


def read_config(file: Path, kind: type[S]) -> S:
    """Return the settings that a `config.json` holds.

    Raises
    ------
    StripeError
        If the file is missing, damaged or changed, or does not hold such settings.
    """
    return kind.from_json(read_values(file))


def read_data_shape(run: Path) -> DataShape | None:
    """Return the shape of the data for the network of a run, or None if it was not stored."""
    found = read_values(run / CONFIG).get("data")
    if found is None:
        return None
    try:
        found = {n: tuple(v) if isinstance(v, list) else v for n, v in found.items()}
        shape = DataShape(**found)
        if all(is_bearable(getattr(shape, n), h) for n, h in DataShape.__annotations__.items()):
            return shape
    except (TypeError, AttributeError):
        pass
    raise StripeError(f"{run / CONFIG} is damaged: its entry data is {found!r}; restore it")


def read_values(file: Path) -> dict[str, Any]:
    """Return the entries of the `config.json` of any run. The errors are those of `read_config`."""
    try:
        values: Any = parse_json(read_regular(checked(file)))
    except (OSError, ValueError) as error:
        raise StripeError(
            f"{file} is missing or damaged: {error}; give the config.json of a run"
        ) from error
    if not isinstance(values, dict):
        raise StripeError(f"{file} must hold a JSON object, got {values!r}")
    return values
