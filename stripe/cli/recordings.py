"""Commands about a recording: verify, and the numbers in it."""

from typing import Annotated

from cyclopts import App, Parameter

from stripe.cli.app import Epoch, Json, Recorded, app, print_table

stats_app = App(name="stats", help="Print numbers from a recording.")
app.command(stats_app)


@app.command
def verify(recording: Recorded, *, json: Json = False) -> None:
    """Check every file of a recording against the SHA-256 that was logged when it was written."""
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
    *,
    spatial: Annotated[bool, Parameter(negative=())] = False,
    json: Json = False,
) -> None:
    """Print the stripe index of every gate in every epoch.

    Parameters
    ----------
    spatial
        Of spatial attention maps, with positions in the place of channels.
    """
    from stripe import open_recording, stats

    of = stats.spatial_index if spatial else stats.stripe_index
    print_table(of(open_recording(recording)), json)


@stats_app.command
def moments(recording: Recorded, *, epoch: Epoch = None, json: Json = False) -> None:
    """Print mean, standard deviation and range of every channel."""
    from stripe import open_recording, stats

    opened = open_recording(recording)
    print_table(stats.channel_moments(opened, None if epoch is None else [epoch]), json)


@stats_app.command
def convergence(recording: Recorded, *, tol: float = 0.01, json: Json = False) -> None:
    """Print the first epoch after which each channel stays still.

    Parameters
    ----------
    tol
        A step |v(t + 1) - v(t)| of every image under it counts as still.
    """
    from stripe import open_recording, stats

    print_table(stats.convergence_epoch(open_recording(recording), tol), json)
