"""Average Grad-CAM over images."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from stripe.cli.app import (
    Json,
    Picture,
    app,
    new_file,
    picture_file,
    print_json,
)
from stripe.cli.options.model import Source
from stripe.errors import StripeError
from stripe.files import check_target


@app.command
def cam(
    source: Source,
    *,
    layer: str,
    out: Picture,
    target: Annotated[
        str, Parameter(help="Class to explain: predicted, label, or the number of a class.")
    ] = "predicted",
    method: str = "GradCAM",
    image: bool = True,
    save: Path | None = None,
    json: Json = False,
) -> None:
    """Draw the average Grad-CAM map over images (Figure 4).

    Parameters
    ----------
    layer
        Dotted name of the layer, usually the last block.
    method
        GradCAM, or another class of the grad-cam library.
    image
        Draw contours of the mean image over the map.
    save
        File (.npz) for the map and the mean image, to draw with stripe plot mean-cam.
    """
    from stripe import mean_cam, plots

    picture_file(out)
    if save is not None:
        check_target(save, (".npz",), "a mean map")
    new_file(save)
    if target not in ("predicted", "label") and not target.isdecimal():
        raise StripeError(f"--target is predicted, label or a class number, got {target!r}")
    wanted: Any = int(target) if target.isdecimal() else target
    network, loader, _ = source.load()
    found = mean_cam(network, loader, layer, target=wanted, method=method)
    shares = {"central_share": found.central_share, "uniform_share": found.uniform_share}
    if json:
        print_json({"images": found.n_images, **shares, "out": str(out)})
    else:
        print(
            f"{100 * found.central_share:.1f} % of the mean map of {found.n_images} images lies in "
            "the central quarter (uniform: 25 %)"
        )
    if save is not None:
        found.save(save)
    with plots.paper_style():
        heading = f"{Path(source.model).name}, {layer}, {found.n_images} images"
        plots.save_figure(plots.mean_cam(found, image=image, heading=heading), out)
    if not json:
        print(out)
