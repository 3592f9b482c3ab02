"""Commands for a trained network: record, audit, cam, noise and bound."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from stripe.cli.app import (
    Gates,
    Json,
    Picture,
    app,
    new_file,
    picture_file,
    print_json,
    print_table,
    save_table,
    table_file,
)
from stripe.cli.options import Source
from stripe.cli.task import ANY_TASK, TaskOptions
from stripe.defaults import LIMIT, ROUNDS, THRESHOLD
from stripe.errors import StripeError
from stripe.files import PAGES, check_ending
from stripe.interrupts import interrupts_allowed, interrupts_held

if TYPE_CHECKING:
    import pandas as pd

    from stripe.audit.result import Audit


@app.command
def record(
    source: Source,
    *,
    out: Path,
    epoch: int = 0,
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
        Record only the mean, standard deviation and range of every channel, not all values.
    overwrite
        Rename an existing recording to OUT.old-1, or to the next free number, and start a new one.
    """
    from stripe.cli.network import is_onnx
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
    options |= {"overwrite": overwrite, "resume": True}
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


@app.command
def audit(
    source: Source,
    *,
    out: Path = Path("report.html"),
    threshold: float = THRESHOLD,
    curve: Annotated[bool, Parameter(negative=())] = False,
    alone: Annotated[bool, Parameter(negative=())] = False,
    controls: Annotated[bool, Parameter(negative=())] = False,
    optimal: Annotated[bool, Parameter(negative=())] = False,
    rounds: int = ROUNDS,
    threads: int = 1,
    task: TaskOptions = ANY_TASK,
    json: Json = False,
) -> None:
    """Measure whether a network's attention is a constant, and write an HTML report.

    Parameters
    ----------
    out
        HTML file to write.
    threshold
        Share of predictions that must stay the same, 0 to 1.
    curve
        Measure the effect of every number of frozen gates, not only those that the search needs.
    alone
        Also measure the cost of freezing each gate alone.
    controls
        Also measure each intervention of stripe ablate on all gates at once.
    optimal
        Also learn the constants of all gates, and compare them with the means.
    rounds
        Number of timed forward passes, with and without gates.
    threads
        Number of threads of onnxruntime for timing an ONNX file.
    """
    import stripe
    from stripe.audit.report import ReportError
    from stripe.cli.network import is_onnx

    check_ending(out, PAGES, "a report")
    compared = task.load()
    network, loader, images = source.load(onnx=True)
    measured = partial(
        stripe.audit,
        source.model if is_onnx(source.model) else network,
        loader,
        out,
        threshold=threshold,
        curve=curve,
        alone=alone,
        controls=controls,
        optimal=optimal,
        limit=LIMIT if source.limit is None else source.limit,
        batch_size=source.batch_size,
        rounds=rounds,
        threads=threads,
        **compared,
        name=source.model if source.has_weights() else f"{source.model} (random weights)",
        dataset=images,
    )
    try:
        found = measured()
    except ReportError as error:  # the numbers are not lost with the report
        _print_audit(error.audit, rounds, alone, json)
        raise
    _print_audit(found, rounds, alone, json)
    if not json:
        print(f"report  {out}")


def _print_audit(found: "Audit", rounds: int, alone: bool, json: bool) -> None:
    """Print the tables of an audit, and a summary."""
    if json:
        return print_json(found.to_json())
    columns = ["gate", "channels", "eta2", "relative_spread", "predicted_kl"]
    columns += (["kl", "agreement"] if alone else []) + ["folded", "into"]
    print(found.gates[columns].to_string(index=False, float_format="%.4f"))
    measures = ["kl", "kl_low", "kl_high", "agreement", "accuracy"]
    for table, first in ((found.controls, ["intervention"]), (found.optimal, ["constants"])):
        if table is not None:
            columns = [*first, *measures]
            print("\n" + table[columns].to_string(index=False, float_format="%.4f"))
    last = found.greedy.iloc[-1]
    print(
        f"\n{len(found.recommended)} of {len(found.gates)} gates freeze with at least "
        f"{100 * found.threshold:g} % of predictions kept; all {last.frozen} that can be frozen "
        f"keep {100 * last.agreement:.1f} % ({found.n_images[1]} images)"
    )
    low, high = (100 * share for share in found.attention_share_quartiles)
    print(
        f"attention is {100 * found.attention_share:.0f} % of the time of a forward pass (half of "
        f"{rounds} rounds: {low:.0f} to {high:.0f} %)"
    )
    return None


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
        check_ending(save, (".npz",), "a mean map")
    new_file(save)
    network, loader, _ = source.load()
    if target not in ("predicted", "label") and not target.isdecimal():
        raise StripeError(f"--target is predicted, label or a class number, got {target!r}")
    wanted: Any = int(target) if target.isdecimal() else target
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


@app.command
def noise(
    source: Source,
    *,
    spec: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    grid: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    seeds: int = 3,
    task: TaskOptions = ANY_TASK,
    out: Path | None = None,
    figure: Picture | None = None,
    json: Json = False,
) -> None:
    """Measure the accuracy of a trained network under noise in its batch norms (Section 6 (2)).

    Print, for every noise, the accuracy and the agreement with the predictions without noise.

    Parameters
    ----------
    spec
        Noise, such as constant:0.8,0.8, random:0.3,0.3 or random:0.3,0.3,per=layer. Repeat the
        option for several noises.
    grid
        Use the noises of Table 8, constant or random.
    seeds
        Number of seeds of each random noise.
    out
        CSV file for the table.
    figure
        Image file for a figure of the accuracy; without classes and labels, of the agreement.
    """
    from stripe import plots
    from stripe.robustness import TABLE_8
    from stripe.robustness.attacks import attacks

    if seeds < 1:
        raise StripeError(f"--seeds must be at least 1, got {seeds}")
    if unknown := set(grid) - set(TABLE_8):
        raise StripeError(f"--grid is {' or '.join(TABLE_8)}, got {', '.join(sorted(unknown))}")
    noises = [*spec, *(pair for kind in grid for pair in TABLE_8[kind])]
    if not noises:
        raise StripeError("give at least one noise, as --spec random:0.3,0.3 or --grid random")
    picture_file(figure)
    table_file(out)
    compared = task.load()
    network, loader, images = source.load()
    seeded = range(source.seed, source.seed + seeds)
    rows: list[Any] = []
    try:
        rows.extend(attacks(network, loader, noises, seeds=list(seeded), **compared))
    except KeyboardInterrupt:
        if rows:
            save_table(_print_noise(source.model, rows, json), out)
        raise
    table = _print_noise(source.model, rows, json)
    save_table(table, out)
    if figure is not None:
        heading = f"{Path(source.model).name}, {images}"
        no_classes = bool(table["accuracy"].isna().all())
        with plots.paper_style():
            measured: Any = {"measure": "agreement" if no_classes else "accuracy"}
            axes = plots.noise_robustness(table, heading=heading, **measured)
            plots.save_figure(axes, figure)


def _print_noise(network: str, rows: list[Any], json: bool) -> "pd.DataFrame":
    """Print accuracy and agreement under each noise, and return the table of all rows."""
    import pandas as pd

    from stripe.robustness.attacks import COLUMNS

    table = pd.DataFrame(rows, columns=COLUMNS)
    table.insert(0, "network", network)
    print_table(table if json else _by_noise(table), json)
    return table


def _by_noise(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return mean and standard deviation of accuracy and agreement over the runs of each noise."""
    runs = table.groupby("noise", sort=False)
    found = runs["accuracy"].agg(["mean", "std", "count"])
    found["count"] = runs.size()
    return found.assign(agreement=runs["agreement"].mean()).reset_index()


@app.command
def bound(source: Source, *, out: Path | None = None, json: Json = False) -> None:
    """Bound the growth of noise through a residual network, and measure it (Theorem 6.1).

    Parameters
    ----------
    out
        CSV file for the table, to draw with stripe plot noise-bound.
    """
    from stripe import noise_bound
    from stripe.hooks.batches import tensors_of

    table_file(out)
    network, loader, _ = source.load()
    table = noise_bound(network, tensors_of(next(iter(loader)))[0].to(next(network.parameters())))
    print_table(table, json)
    save_table(table, out)
