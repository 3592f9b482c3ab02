"""`stripe explore`: show recordings in a browser, or write an HTML file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from stripe.cli.app import Epoch, Gate, Recorded, app, new_file, read_table
from stripe.cli.options.ranges import Port
from stripe.defaults import DATA_ROOT
from stripe.errors import StripeError
from stripe.files import PAGES, check_target

if TYPE_CHECKING:
    from stripe.explorer.slices import Slices


@app.command
def explore(
    recording: Recorded,
    *more: Path,
    gate: Gate = None,
    epoch: Epoch = None,
    images: str | None = None,
    data_root: Path = DATA_ROOT,
    costs: Path | None = None,
    out: Path | None = None,
    port: Port = 0,
    no_open: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Show recordings in a browser, with an overview of all gates and every value of one gate.

    Parameters
    ----------
    more
        More recordings, to show next to the first.
    images
        Folder from which the images were recorded. Default: the data set or folder that the
        recording names, if it is available.
    data_root
        Folder that holds data sets.
    costs
        CSV file with the cost of freezing each gate, in nats: the table of stripe ablate, or
        another table with the columns gate and kl, fisher or predicted_kl.
    out
        HTML file to write instead of opening a browser. The file needs no server.
    port
        Port on this machine. With 0, a free port is chosen.
    no_open
        Print the address, but do not open a browser.
    """
    from stripe.explorer.slices import Slices
    from stripe.explorer.view import checked_view

    if out is not None:
        check_target(out, PAGES, "a page")
    new_file(out)
    paths = [recording, *more]
    slices = Slices(paths, costs=_costs(costs), **_pictures(recording, images, data_root))
    view = checked_view(slices, {"gate": gate, "epoch": epoch})
    if out is not None:
        from stripe.explorer import Explorer

        print(f"written: {Explorer(slices, view).save(out)}")
    else:
        _serve(slices, view, port, no_open)


def _costs(file: Path | None) -> Any:
    """Read a table of costs."""
    return None if file is None else read_table(file)


def _serve(slices: "Slices", view: dict[str, Any], port: int, no_open: bool) -> None:
    import webbrowser

    from stripe.explorer.serve import ExplorerServer

    with ExplorerServer(slices, port=port, view=view) as server:
        print(f"{server.address}\nCtrl-C ends it", flush=True)
        if not no_open:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("\nended", file=sys.stderr)


def _pictures(path: Path, images: str | None, data_root: Path) -> dict[str, Any]:
    """Return the recorded images, with the names of their classes, if they are available."""
    from stripe.data import recorded_images
    from stripe.data.recorded_folder import RecordedFolder
    from stripe.errors import DataError
    from stripe.recording import open_recording

    if images is not None:
        if not Path(images).is_dir():
            raise StripeError(
                f"--images is the folder that was recorded, and {images} is no folder; leave it "
                "out to show the images of the data set that the recording names"
            )
        return {"images": RecordedFolder(open_recording(path), Path(images))}
    try:
        return {"images": recorded_images(path, root=data_root)}
    except DataError as error:
        print(f"no images are shown: {error}", file=sys.stderr)
        return {}
