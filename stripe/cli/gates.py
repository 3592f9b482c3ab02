"""`stripe gates`: list the gates of a network."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from stripe.cli.app import Json, app, print_table
from stripe.cli.options.model import Network, image_side
from stripe.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from stripe.recording import Gate

    #: Function from constants by gate to the report of freezing.
    Freeze: TypeAlias = Callable[[dict[str, list[float]]], pd.DataFrame]


@app.command
def gates(
    source: Network,
    *,
    image_size: str | None = None,
    data_root: Path | None = None,
    json: Json = False,
) -> None:
    """List the gates of a network, and the layers into which each gate would fold.

    kind is gate, split or constant. layout names the axes of the gate: N for images, R for
    branches, C for channels, and 1 for axes of size 1. into names the layers that would absorb a
    constant gate. reason says why the gate cannot be frozen or folded.

    Parameters
    ----------
    image_size
        Height and width of the images in pixels, such as 224 or 48x192. Default: the size of the
        training run or of timm's configuration, or else 224.
    data_root
        Folder that holds data sets. Default: the folder of the training run, or else data.
    """
    from stripe.cli.options.load_network import is_onnx

    size = image_side(image_size)
    if is_onnx(source.model):
        found, freeze = _of_file(source.model, size)
    else:
        found, freeze = _of_module(source.load_network(), source.model, size, data_root)
    table = _table(found, freeze)
    if not json and table.empty:
        bare = source.attention is None and not (":" in source.model or Path(source.model).exists())
        print(f"no gates were found{'; --attention se inserts some' if bare else ''}")
    else:
        print_table(table, json)


def _of_module(
    network: "nn.Module", model: str, size: tuple[int, int] | None, data_root: Path | None
) -> "tuple[list[Gate], Freeze]":
    """Return the gates of a network of modules, and how to freeze them."""
    import torch

    import stripe
    from stripe.cli.options.load_network import run_of
    from stripe.cli.options.preprocessing import image_shape

    shape = image_shape(network, run=run_of(model), image_size=size, data_root=data_root)
    example = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    freeze = partial(stripe.freeze, network, example=example)
    return stripe.find_gates(network, example), lambda means: freeze(means).report


def _of_file(model: str, size: tuple[int, int] | None) -> "tuple[list[Gate], Freeze]":
    """Return the gates of an ONNX file, and how to freeze them."""
    import stripe.onnx
    from stripe.onnx.image_input import image_input
    from stripe.onnx.load import load_model

    loaded = load_model(model)
    shape = None if size is None else (image_input(loaded).channels or 3, *size)
    freeze = partial(stripe.onnx.freeze, loaded, image_shape=shape)
    return stripe.onnx.find_gates(loaded), lambda means: freeze(means).report


def _table(found: "list[Gate]", freeze: "Freeze") -> "pd.DataFrame":
    """Return one row per gate, with the layers into which a constant of 0.5 folds."""
    import pandas as pd

    columns = ["name", "owner", "channels", "kind", "layout"]
    table = pd.DataFrame(
        [{c: getattr(gate, c) for c in columns} for gate in found], columns=columns
    )
    table = table.rename(columns={"name": "gate"})
    if not found:
        return table.assign(into="", reason="")
    try:
        report = freeze({gate.name: [0.5] * gate.channels for gate in found})
    except ModelError as error:  # the gates are listed without the layers
        return table.assign(into="", reason=str(error))
    return table.merge(report[["gate", "into", "reason"]], how="left").fillna("")
