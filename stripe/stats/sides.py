"""The two sides of a comparison: two recordings, or two lists of recordings from several seeds."""

from collections.abc import Sequence

from stripe.errors import RecordingError, StripeError
from stripe.recording import Recorded, Recording
from stripe.recording.runs import NamedRun, open_runs, short_names
from stripe.recording.same_images import different
from stripe.registry import listed

#: A run, or runs that differ in their seeds.
ComparedRuns = Recorded | Sequence[Recorded]
#: A name and its recordings: one, or several that differ in their seeds.
Side = tuple[str, list[NamedRun]]


def two_sides(
    data: Recorded | Sequence[ComparedRuns],
    names: Sequence[str] | None,
    epoch: int | Sequence[int] | None,
) -> list[Side]:
    """Return the name and the recordings of each side, for the arguments of `stripe.compare`.

    Raises
    ------
    StripeError
        If there are not two sides, only one of them is a list, a list has fewer than two
        recordings, or names or epochs are not one per side.
    RecordingError
        As for `open_runs`; also if two recordings of a list have the same weights, or are certainly
        of different images.
    """
    sides = _named(data, names, epoch)
    if len(sides) != 2:
        raise StripeError(
            "a comparison has two sides, or one recording at two epochs, got "
            f"{len(sides)} ({listed([name for name, _ in sides])}); give two recordings, or one "
            "with epoch=[first, second] (--epoch FIRST SECOND)"
        )
    for _, runs in sides:
        _check_seeds(runs)
    return sides


def common_gates(recordings: Sequence[Recording]) -> tuple[list[str], list[str]]:
    """Return the names of the gates that all recordings have, and those that only some have.

    Raises
    ------
    StripeError
        If no gate is in all recordings.
    """
    names = [[gate.name for gate in one.header.channel_gates] for one in recordings]
    every = dict.fromkeys(name for its in names for name in its)
    gates = [gate for gate in every if all(gate in its for its in names)]
    if gates:
        return gates, [name for name in every if name not in gates]
    first, *others = recordings
    unlike = zip(others, names[1:], strict=True)
    other, its = next(((o, n) for o, n in unlike if {*n} != {*names[0]}), (others[0], names[1]))
    raise StripeError(
        f"recordings must have gates of the same names to be compared; {first.path} has "
        f"{', '.join(names[0][:3]) or 'none'}, and {other.path} "
        f"{', '.join(sorted(its)[:3]) or 'none'}"
    )


def _named(
    data: Recorded | Sequence[ComparedRuns],
    names: Sequence[str] | None,
    epoch: int | Sequence[int] | None,
) -> list[Side]:
    given = [data] if isinstance(data, Recorded) else list(data)
    lists = [side for side in given if not isinstance(side, Recorded)]
    if not lists:
        runs = open_runs(given, names=names, epoch=epoch)  # type: ignore[arg-type]
        return [(run.name, [run]) for run in runs]
    if len(lists) < len(given) or min(len(side) for side in lists) < 2:
        came = ["a recording" if isinstance(s, Recorded) else f"a list of {len(s)}" for s in given]
        raise StripeError(
            "both sides must be recordings, or both lists of at least two recordings, got "
            f"{' and '.join(came)}"
        )
    epochs = list(epoch) if isinstance(epoch, Sequence) else [epoch] * len(lists)
    if len(epochs) != len(lists) or (names is not None and len(names) != len(lists)):
        raise StripeError(f"names and epochs must be one per side, of which there are {len(lists)}")
    shown = [open_runs(side, epoch=at) for side, at in zip(lists, epochs, strict=True)]
    if names is None:
        names = short_names([runs[0].recording.path for runs in shown])
    return list(zip(names, shown, strict=True))


def _check_seeds(runs: Sequence[NamedRun]) -> None:
    """Raise if recordings of one side cannot be networks of several seeds on the same images."""
    first, known = runs[0], dict[str | None, NamedRun]()
    for run in runs:
        weights = run.recording.weights(run.epoch)
        twin = known.setdefault(weights, run)
        if weights is not None and twin is not run:
            raise RecordingError(
                f"recordings of one side must be of different seeds, and {twin.recording.path} and "
                f"{run.recording.path} have the same weights; give each network once"
            )
        if run is not first and (why := different(first, run)):
            raise RecordingError(
                f"recordings of one side must hold the same images, but {why} in "
                f"{first.recording.path} and {run.recording.path}; record the same images"
            )
