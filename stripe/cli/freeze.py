"""`stripe freeze`: make gates of a network constant, and write its weights."""

from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from stripe.cli.app import Epoch, Gates, Json, app, new_file, print_json
from stripe.cli.options.model import Source
from stripe.cli.options.task import ANY_TASK, TaskOptions
from stripe.errors import StripeError
from stripe.files import check_target

if TYPE_CHECKING:
    import pandas as pd

    from stripe.recording import Header


@app.command
def freeze(
    source: Source,
    *,
    recording: Path,
    out: Path,
    gates: Gates = ("all",),
    epoch: Epoch = None,
    fold: bool = True,
    force: Annotated[bool, Parameter(negative=())] = False,
    constants: str = "mean",
    task: TaskOptions = ANY_TASK,
    json: Json = False,
) -> None:
    """Replace gates by constants, fold them, and write the weights.

    With --images, --predict, --agree or --constants optimal, compare the frozen network with the
    unchanged one on the images, which should not be those of the recording. An ONNX file is not
    compared.

    For --out NAME.safetensors, the file NAME.frozen.json lists the frozen gates. With --weights
    NAME.safetensors, other commands freeze the same gates before they load the weights.

    Parameters
    ----------
    recording
        Recording with the means.
    out
        New .safetensors file for the weights of the frozen network. For an ONNX network, a new ONNX
        file.
    fold
        Fold constants into adjacent layers.
    force
        Use the means even if they were recorded with other weights.
    constants
        mean: means over the recorded images. optimal: constants learned from a random half of
        --images, and compared with the means on the other half. exact: only channels that were
        exactly 0 or 1 for all recorded images become constant, so the outputs for these images do
        not change.
    """
    import stripe
    from stripe.cli.options.load_network import OF_WEIGHTS, is_onnx, write_frozen

    if is_onnx(source.model):
        from stripe.cli.onnx_files import freeze_file

        options = {"gates": gates, "epoch": epoch, "fold": fold, "force": force}
        _check_of_file(constants, task)
        freeze_file(source, recording, out, options, json)
        return
    check_target(out, OF_WEIGHTS, "a file of weights")
    new_file(out)
    compared = task.load()
    wanted = constants == "optimal" or source.images is not None or task.given
    data = stripe.open_recording(recording)
    network, images, _ = source.load() if wanted else (source.load_network(), None, "")
    frozen = stripe.freeze(
        network,
        data,
        gates=gates,
        epoch=epoch,
        fold=fold,
        force=force,
        constants=constants,
        images=images,
        **compared,
    )
    if json:
        print_json(_frozen_json(frozen))
    else:
        _print_frozen(frozen)
    gates_of_recipe = _gates_of_recipe(frozen.report, data.header)
    recipe = {"model": source.model, "recording": str(recording)}
    shape = {"input_shape": data.header.input_shape}
    write_frozen(frozen.model, out, {**recipe, **shape, "gates": gates_of_recipe})
    if not json:
        print(
            f"\n{len(gates_of_recipe)} of {len(frozen.report)} gates frozen, "
            f"{frozen.report['folded'].sum()} folded, error {frozen.error:.1e}: {out}\n"
            f"use them with --model {source.model} --weights {out}"
        )


def _check_of_file(constants: str, task: TaskOptions) -> None:
    """Raise an error if an option is not supported for ONNX files."""
    if constants != "mean":
        raise StripeError("constants of ONNX files are their means; leave --constants out")
    if task.given:
        raise StripeError(
            "ONNX files are compared by stripe audit; leave --agree and --predict out"
        )


def _gates_of_recipe(report: "pd.DataFrame", header: "Header") -> list[dict[str, Any]]:
    """Return the frozen gates, with what is needed to freeze them again."""
    channels = {gate.name: gate.channels for gate in header.gates}
    return [
        {"gate": row.gate, "folded": bool(row.folded), "channels": channels[str(row.gate)]}
        for row in report[report["frozen"]].itertuples()
    ]


def _print_frozen(frozen: Any) -> None:
    """Print the tables of a frozen network."""
    print(frozen.report.to_string(index=False))
    if frozen.comparison is not None:
        print(f"\ncompared with the untouched network\n{frozen.comparison.to_string(index=False)}")
    if frozen.assumed is not None and len(frozen.assumed):
        print(
            f"\n{len(frozen.assumed)} channels were 0 or 1 for all {frozen.assumed['n'].max()} "
            "images; others could change them (--json lists them)"
        )


def _frozen_json(frozen: Any) -> dict[str, Any]:
    """Return the result of freezing as JSON values."""
    found = {"error": frozen.error, "gates": frozen.report.to_dict("records")}
    if frozen.comparison is not None:
        found["comparison"] = loads(frozen.comparison.to_json(orient="records"))
    if frozen.assumed is not None:
        found["assumed"] = loads(frozen.assumed.to_json(orient="records"))
    return found
