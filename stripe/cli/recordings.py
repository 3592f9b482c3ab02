"""Commands for a recording: verify, and statistics."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from stripe.cli.app import (
    Epochs,
    EveryEpoch,
    Json,
    Names,
    Recorded,
    Seed,
    app,
    one_or_more,
    print_json,
    print_table,
)
from stripe.cli.engines import MAP_HERE, MapEngine
from stripe.cli.sides import Others, Versus, sides_of
from stripe.cli.tables import AS_TABLE, Printed
from stripe.defaults import LEVEL, RESAMPLES
from stripe.errors import StripeError

if TYPE_CHECKING:
    import pandas as pd

    from stripe.recording import Recording
    from stripe.stats.moments import Over

stats_app = App(name="stats", help="Print statistics of recordings.")
app.command(stats_app)


@app.command
def verify(
    path: Annotated[Path, Parameter(help="Directory of a recording or of a run.")],
    *,
    json: Json = False,
) -> None:
    """Check every file of a recording or a run against the SHA-256 stored when it was written.

    The files of a run are its configuration, log and weights, its last checkpoint, and its
    recording if there is one.
    """
    if not (path / "config.json").exists():
        return _verify_recording(path, json)
    from stripe.recording import open_recording
    from stripe.train.verify import UNCHECKED, verify_run

    table = verify_run(path)
    recording = path / "recording"
    if json:
        recorded = open_recording(recording).verify() if recording.exists() else None
        files = table.to_dict("records")
        parts = [] if recorded is None else recorded.to_dict("records")
        return print_json({"files": files, "recording": parts})
    whole = table[table["state"] != UNCHECKED]
    print(f"{path}: {len(whole)} files, {whole['bytes'].sum():,} bytes, all whole")
    if left := table.loc[table["state"] == UNCHECKED, "file"].tolist():
        print(f"{path}: no manifest, since the run is from before there were any; not checked: "
              f"{', '.join(left)}")  # fmt: skip
    return _verify_recording(recording, json) if recording.exists() else None


def _verify_recording(recording: Path, json: bool) -> None:
    from stripe.recording import open_recording

    table = open_recording(recording).verify()
    if json:
        return print_table(table, json)
    print(
        f"{recording}: {table['epoch'].nunique()} epochs, {len(table)} files, "
        f"{table['rows'].sum()} rows, {table['bytes'].sum():,} bytes, all whole"
    )
    return None


@stats_app.command
def index(
    recording: Recorded,
    *more: Path,
    spatial: Annotated[bool, Parameter(negative=())] = False,
    engine: MapEngine = MAP_HERE,
    printed: Printed = AS_TABLE,
) -> None:
    """Print the stripe index of each gate in each epoch.

    Parameters
    ----------
    more
        More recordings.
    spatial
        Print the index of spatial attention maps, with positions in place of channels.
    """
    from stripe import open_recording, stats

    if spatial:
        if more or engine != MAP_HERE:
            raise StripeError(
                "--spatial reads one recording on this machine; leave out other recordings and "
                "engines"
            )
        printed.show(lambda: stats.spatial_index(open_recording(recording)))
        return
    with _mapped(engine) as over:
        printed.show(lambda: stats.stripe_index(_opened(recording, more), over=over))


@stats_app.command
def moments(
    recording: Recorded,
    *more: Path,
    epoch: EveryEpoch = None,
    engine: MapEngine = MAP_HERE,
    printed: Printed = AS_TABLE,
) -> None:
    """Print the mean, standard deviation and range of every channel.

    Parameters
    ----------
    more
        More recordings.
    """
    from stripe import stats

    epochs = None if epoch is None else [epoch]
    with _mapped(engine) as over:
        printed.show(lambda: stats.channel_moments(_opened(recording, more), epochs, over=over))


@stats_app.command
def convergence(recording: Recorded, *, tol: float = 0.01, printed: Printed = AS_TABLE) -> None:
    """Print the first epoch after which each channel no longer changes.

    Parameters
    ----------
    tol
        Bound below which a step |v(t + 1) - v(t)| counts as no change.
    """
    from stripe import open_recording, stats

    printed.show(lambda: stats.convergence_epoch(open_recording(recording), tol))


@stats_app.command
def compare(
    recording: Recorded,
    *others: Others,
    versus: Versus = (),
    names: Names = (),
    epoch: Epochs = (),
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: Seed = 0,
    printed: Printed = AS_TABLE,
) -> None:
    """Print the stripe statistics of each gate in two recordings, and the differences.

    Parameters
    ----------
    resamples
        Number of bootstrap samples over images.
    level
        Confidence level of the intervals, 0 to 1.
    """
    from stripe import stats

    sides = sides_of((recording, *others), versus)
    options: Any = {"resamples": resamples, "level": level, "seed": seed}
    table = printed.show(
        lambda: stats.compare(sides, names=names or None, epoch=one_or_more(epoch), **options)
    )
    if not printed.json:
        print(f"\n{100 * level:g} % intervals over {_over(table)}, n = {table.attrs['n']}")


def _over(table: "pd.DataFrame") -> str:
    """Say what the intervals of a comparison are over."""
    about = table.attrs
    if about["over"] == "seeds":
        return "seeds (Welch)"
    if about["paired"]:
        return "the same images drawn anew"
    return f"images drawn anew (not in pairs: {about['unpaired']})"


def _opened(recording: Path, more: tuple[Path, ...]) -> "Recording | list[Recording]":
    """Open recordings; return a single one alone, so that its tables do not name it."""
    from stripe import open_recording

    opened = [open_recording(path) for path in (recording, *more)]
    return opened if more else opened[0]


@contextmanager
def _mapped(options: MapEngine) -> "Iterator[Over]":
    """Return a function that maps over files, with a progress bar if there are many."""
    from tqdm.auto import tqdm

    from stripe.stats.ahead import in_pairs

    # Without an engine torch is not imported.
    over: Any = in_pairs if options == MAP_HERE else options.made().map
    try:
        yield lambda function, items: tqdm(
            over(function, items), total=len(items), unit=" files", delay=1, leave=False
        )
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
