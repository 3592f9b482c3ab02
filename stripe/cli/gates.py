"""The command that lists the gates of a network, before anything is recorded."""

from pathlib import Path
from typing import TYPE_CHECKING

from stripe.cli.app import Json, app, print_table
from stripe.cli.options import Network, image_side
from stripe.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from stripe.recording import Gate


@app.command
def gates(
    subject: Network,
    *,
    image_size: str | None = None,
    data_root: Path | None = None,
    json: Json = False,
) -> None:
    """List the gates of a network, and the layers that each would fold into if it were frozen.

    Parameters
    ----------
    image_size
        Side of the images, or HEIGHTxWIDTH, as 48x192; by default that of the training run, what
        timm says of the network, or 224.
    data_root
        The folder that holds data sets; by default that of the training run, or data.
    """
    from stripe.cli.network import is_onnx

    size = image_side(image_size)
    if is_onnx(subject.model):
        table = _of_file(subject.model, size)
    else:
        table = _of_module(subject.load_network(), subject.model, size, data_root)
    if not json and table.empty:
        print("no gates were found")
    else:
        print_table(table, json)


def _of_module(
    network: "nn.Module", model: str, size: tuple[int, int] | None, data_root: Path | None
) -> "pd.DataFrame":
    """Return the table of a network of modules."""
    import torch

    import stripe
    from stripe.cli.images import image_shape
    from stripe.cli.network import run_of

    shape = image_shape(network, run=run_of(model), image_size=size, data_root=data_root)
    example = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    found = stripe.find_gates(network, example)
    means = {gate.name: [0.5] * gate.channels for gate in found}
    try:
        frozen = stripe.freeze(network, means, example=example) if found else None
    except ModelError as error:  # the gates are there all the same
        return _table(found, {}, {gate.name: str(error) for gate in found})
    return _table(found, *_folds(frozen.report if frozen is not None else None))


def _of_file(model: str, size: tuple[int, int] | None) -> "pd.DataFrame":
    """Return the table of the gates of an ONNX file."""
    import stripe.onnx
    from stripe.onnx.image_input import image_input
    from stripe.onnx.load import load_model

    loaded = load_model(model)
    found = stripe.onnx.find_gates(loaded)
    shape = None if size is None else (image_input(loaded).channels or 3, *size)
    means = {gate.name: [0.5] * gate.channels for gate in found}
    try:
        report = stripe.onnx.freeze(loaded, means, image_shape=shape).report if found else None
    except ModelError as error:  # the gates are there all the same
        return _table(found, {}, {gate.name: str(error) for gate in found})
    return _table(found, *_folds(report))


def _folds(report: "pd.DataFrame | None") -> tuple[dict[str, str], dict[str, str]]:
    """Return the layers that took each gate, and why none did."""
    if report is None:
        return {}, {}
    into, reasons = (
        dict(zip(report["gate"], report[column], strict=True)) for column in ("into", "reason")
    )
    return into, reasons


def _table(found: "list[Gate]", into: dict[str, str], reasons: dict[str, str]) -> "pd.DataFrame":
    """Return one row per gate; `into` and `reasons` are those of the report of a freezing."""
    import pandas as pd

    columns = ["gate", "owner", "channels", "kind", "layout", "into", "reason"]
    rows = [
        (g.name, g.owner, g.channels, g.kind, g.layout, into.get(g.name), reasons.get(g.name))
        for g in found
    ]
    return pd.DataFrame(rows, columns=columns).fillna("")
