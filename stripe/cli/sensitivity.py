"""`stripe sensitivity`: estimate the cost of freezing the gates of a network."""

import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stripe.cli.app import Gates, Picture, app, picture_file
from stripe.cli.options.model import Source
from stripe.cli.options.ranges import Count
from stripe.cli.options.tables import AS_TABLE, Printed
from stripe.defaults import DRAWS, LIMIT
from stripe.interrupts import interrupts_allowed, interrupts_held


@app.command
def sensitivity(
    source: Source,
    *,
    gates: Gates = ("all",),
    recording: Path | None = None,
    draws: Count = DRAWS,
    channels: Annotated[bool, Parameter(negative=())] = False,
    figure: Picture | None = None,
    printed: Printed = AS_TABLE,
) -> None:
    """Estimate the KL divergence that freezing each gate at its mean causes, without freezing.

    Print a row for every gate: the mean absolute first-order change, the estimate of the divergence
    (fisher) and its standard error, in nats. Without --recording, the means come from the same
    images.

    Parameters
    ----------
    recording
        Recording of the same network, from which the means are computed. Default: a new recording
        of the gates for these images.
    draws
        Number of labels drawn for each image. Each draw needs a backward pass.
    channels
        Print a row for every channel of every gate, instead of a row for every gate.
    figure
        Image file for a figure of the cost of every gate.
    """
    from stripe import plots
    from stripe.audit.images import gather
    from stripe.hooks import record
    from stripe.intervene.sensitivity import sensitivity
    from stripe.recording import open_recording

    printed.check()
    picture_file(figure)
    given = None if recording is None else open_recording(recording)
    network, loader, _ = source.load(limit=LIMIT)
    batches = gather(loader, source.limit or LIMIT)[0].split(source.batch_size)
    with interrupts_held(), tempfile.TemporaryDirectory() as folder, interrupts_allowed():
        recorded = given
        if recorded is None:
            recorded = record(network, batches, Path(folder) / "gates", inputs=False)
        found = sensitivity(network, batches, recorded, gates, draws=draws, seed=source.seed)
    if figure is not None:
        with plots.paper_style():
            plots.save_figure(plots.sensitivity(found.gates), figure)
    printed.show(lambda: found.channels if channels else found.gates)
    if not printed.json:
        print(f"\nall gates at once: {found.cost():.3g} nats, {found.n_images} images")
