"""Measure a network under noise, and bound the growth of noise."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stripe.cli.app import (
    Json,
    Picture,
    Several,
    app,
    picture_file,
    print_table,
    save_table,
    table_file,
)
from stripe.cli.options.model import Source
from stripe.cli.options.ranges import Count
from stripe.cli.options.task import ANY_TASK, TaskOptions
from stripe.errors import StripeError

if TYPE_CHECKING:
    import pandas as pd


@app.command
def noise(
    source: Source,
    *,
    spec: Several = (),
    grid: Several = (),
    seeds: Count = 3,
    task: TaskOptions = ANY_TASK,
    out: Path | None = None,
    figure: Picture | None = None,
    json: Json = False,
) -> None:
    """Measure the accuracy of a trained network under noise in its batch norms (Section 6 (2)).

    Print, for every noise, the mean and the standard deviation of the accuracy over seeds, and the
    mean agreement with the predictions without noise.

    Parameters
    ----------
    spec
        Noises, such as constant:0.8,0.8, random:0.3,0.3 or random:0.3,0.3,per=layer.
    grid
        Noises of Table 8: constant, random or both.
    seeds
        Number of seeds of each random noise.
    out
        CSV file for a table with one row per noise and seed.
    figure
        Image file for a figure of the accuracy, or of the agreement if there is no accuracy (no
        labels, or predictions that are not classes).
    """
    if not spec and not grid:
        raise StripeError("give at least one noise, as --spec random:0.3,0.3 or --grid random")
    from stripe import plots
    from stripe.robustness import TABLE_8, NoiseSpec
    from stripe.robustness.attacks import attacks

    if unknown := set(grid) - set(TABLE_8):
        raise StripeError(f"--grid is {' or '.join(TABLE_8)}, got {', '.join(sorted(unknown))}")
    noises = [*spec, *(pair for kind in grid for pair in TABLE_8[kind])]
    for one in spec:
        NoiseSpec.parse(one)  # raises an error before the network is built
    picture_file(figure)
    table_file(out)
    compared = task.load()
    network, loader, images = source.load(mixed=True)
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
    import pandas as pd

    runs = table.groupby("noise", sort=False)
    accuracy, agreement = runs["accuracy"], runs["agreement"].mean()
    found = pd.DataFrame({"accuracy": accuracy.mean(), "std": accuracy.std(), "runs": runs.size()})
    return found.assign(agreement=agreement).reset_index()


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
    network, loader, _ = source.load(mixed=True)
    table = noise_bound(network, tensors_of(next(iter(loader)))[0].to(next(network.parameters())))
    print_table(table, json)
    save_table(table, out)
