"""Several recordings, each with a name and an epoch."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stripe.errors import RecordingError
from stripe.recording.layout import OF_RUN
from stripe.recording.reader import Recorded, Recording, open_recording


class NamedRun(NamedTuple):
    """An epoch of a recording, and its name."""

    name: str
    recording: Recording
    epoch: int


def open_runs(
    data: Recorded | Sequence[Recorded],
    *,
    names: Sequence[str] | None = None,
    epoch: int | Sequence[int] | None = None,
) -> list[NamedRun]:
    """Open recordings, and give each a unique name.

    Parameters
    ----------
    data
        A recording or its directory, or several. A recording may occur twice, at two epochs.
    names
        One per recording. Default: the last parts of the paths that distinguish the recordings;
        with the epoch if a recording occurs twice.
    epoch
        Epoch of all recordings, or one per recording. Default: the last of each. A single recording
        is repeated for each of several epochs.

    Raises
    ------
    RecordingError
        If there is no recording, a recording occurs twice at the same epoch, an epoch was not
        recorded, the names or epochs are not one per recording, or two names are equal.
    """
    several = [data] if isinstance(data, Recorded) else list(data)
    epochs: list[int | None] = [epoch] * len(several)  # type: ignore[list-item]
    if isinstance(epoch, Sequence):
        several = several * len(epoch) if len(several) == 1 else several
        epochs = list(epoch)
    if not several or len(epochs) != len(several):
        raise RecordingError(
            f"epochs must be one per recording, at least one, got {len(epochs)} for {len(several)}"
        )
    opened = [open_recording(one) for one in several]
    at = [r.last_epoch if e is None else e for r, e in zip(opened, epochs, strict=True)]
    for recording, number in zip(opened, at, strict=True):
        recording.weights(number)  # raises where the epoch was not recorded
    called = _checked(names, len(opened)) if names is not None else _names(opened, at)
    return [NamedRun(*one) for one in zip(called, opened, at, strict=True)]


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return the last parts of paths that distinguish them: "a" and "b", or "x/a" and "y/a".

    A directory called "recording" gets the name of the run that contains it.
    """
    parts = [path.resolve().parts for path in paths]
    parts = [each[:-1] if each[-1] == OF_RUN else each for each in parts]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(set(paths)):
            return names
    return [str(path) for path in paths]


def _names(recordings: Sequence[Recording], epochs: Sequence[int]) -> list[str]:
    paths = [recording.path.resolve() for recording in recordings]
    places = list(zip(paths, epochs, strict=True))
    if twice := [place for place in places if places.count(place) > 1]:
        path, epoch = twice[0]
        raise RecordingError(
            f"each recording is given once, or at two epochs, and {path} is given twice at {epoch}"
        )
    names = short_names(paths)
    return [
        f"{name}, epoch {epoch}" if paths.count(path) > 1 else name
        for name, path, epoch in zip(names, paths, epochs, strict=True)
    ]


def _checked(names: Sequence[str], count: int) -> list[str]:
    if isinstance(names, str) or len(names) != count or len(set(names)) < count:
        raise RecordingError(
            f"names must be distinct and one per recording, of which there are {count}, got "
            f"{names!r}"
        )
    return list(names)
