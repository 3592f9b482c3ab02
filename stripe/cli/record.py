"""Record the gates of a network."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stripe.cli.app import (
    Gates,
    Json,
    app,
    print_json,
)
from stripe.cli.options.model import Source
from stripe.cli.options.ranges import Index
from stripe.errors import StripeError
from stripe.interrupts import interrupts_allowed, interrupts_held


@app.command
def record(
    source: Source,
    *,
    out: Path,
    epoch: Index = 0,
    gates: Gates = ("all",),
    spatial: Annotated[bool, Parameter(negative=())] = False,
    moments_only: Annotated[bool, Parameter(negative=())] = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    json: Json = False,
) -> None:
    """Record the gates of a network over images, as one epoch.

    Parameters
    ----------
    out
        New directory, or a recording of the same network and images, to which the epoch is added.
    epoch
        Number of the epoch.
    spatial
        Also record spatial attention maps.
    moments_only
        Record only the mean, standard deviation and range of every channel over images, and no
        values.
    overwrite
        Rename an existing recording to OUT.old-1, or to the next free number, and start a new one.
    """
    from stripe.cli.options.load_network import is_onnx
    from stripe.recording.aside import refuse_recorded
    from stripe.recording.layout import Layout

    if not overwrite:
        refuse_recorded(Layout(out), epoch)
    if is_onnx(source.model):
        from stripe.cli.onnx_files import record_file

        if spatial:
            raise StripeError("spatial maps of ONNX files are not recorded; leave --spatial out")
        if overwrite:
            raise StripeError("recordings of ONNX files are not overwritten; choose another --out")
        of_file = {"epoch": epoch, "values": not moments_only, "gates": gates}
        return _recorded(out, epoch, *record_file(source, out, of_file), json)
    from stripe import Recorder
    from stripe.hooks.batches import tensors_of

    network, loader, images = source.load()
    example = tensors_of(next(iter(loader)))[0]
    options = {"spatial": spatial, "values": not moments_only, "gates": gates}
    options |= {"overwrite": overwrite, "resume": not overwrite}
    about = {"name": source.model, "dataset": images, "seed": source.seed}
    with (
        interrupts_held(),
        Recorder(network, out, example, **options, **about) as recorder,  # type: ignore[arg-type]
        interrupts_allowed(),
    ):
        count = recorder.record(loader, epoch)
    return _recorded(out, epoch, count, len(recorder.gates), json)


def _recorded(out: Path, epoch: int, n_images: int, gates: int, json: bool) -> None:
    if json:
        print_json({"recording": str(out), "epoch": epoch, "images": n_images, "gates": gates})
    else:
        print(f"{out}: epoch {epoch}, {n_images} images, {gates} gates")
        print(f'open it in Python: stripe.open_recording("{out}")')
