"""Commands that reproduce the paper's tables."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from stripe.cli.app import Json, app, print_json, print_table
from stripe.errors import StripeError

if TYPE_CHECKING:
    from stripe.experiments.reproduce import Reproduction

sweep_app = App(name="sweep", help="The runs that tables need.")
app.command(sweep_app)

Tables = Annotated[str, Parameter(help='table2 to table9, table13, table14, or "all".')]
ScaleName = Annotated[str, Parameter(help="paper, small, smoke or test; another is another table.")]
Store = Annotated[Path, Parameter(help="The folder of all runs, each there once.")]


@app.command
def reproduce(
    table: Tables,
    *,
    scale: ScaleName = "smoke",
    seeds: int | None = None,
    report: Annotated[bool, Parameter(negative=())] = False,
    store: Store = Path("runs/store"),
    out: Path | None = None,
    workers: int | None = None,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    gpus_per_run: float | None = None,
    cpus_per_run: float = 1,
    device: str = "auto",
    data_root: Path = Path("data"),
    json: Json = False,
) -> None:
    """Run what is missing of a table of the paper, and show it beside the paper's numbers.

    Parameters
    ----------
    seeds
        Trainings of each cell; by default what the scale says.
    report
        Run nothing; show what is there.
    out
        A folder for the tables as CSV, Markdown, LaTeX and a picture; by default
        figures/reproduce/SCALE.
    workers
        Trainings at a time of the local engine; by default one per GPU, or per core.
    engine
        local, a pool of processes; or ray, a cluster whose nodes share the store.
    address, gpus_per_run, cpus_per_run
        Of ray: its address, and what each training takes.
    device
        auto, cpu or cuda.
    data_root
        The folder that holds data sets.
    """
    from stripe.experiments.report import write_report

    wanted = _reproductions(table, scale, seeds, store, data_root)
    runs = [run for found in wanted for of_cell in found.runs.values() for run in of_cell]
    if not report and any(run.state != "finished" for run in runs):
        try:
            if engine == "ray":
                from stripe.experiments.ray_engine import sweep_on_ray

                sweep_on_ray(runs, address=address, gpus=gpus_per_run, cpus=cpus_per_run)
            else:
                from stripe.experiments.sweep import sweep  # which brings torch

                sweep(runs, workers=workers, device=device)
        except KeyboardInterrupt:
            print("\ninterrupted; the same command does what is missing", file=sys.stderr)
            sys.exit(130)
    folder = out or Path("figures/reproduce") / scale
    for found in wanted:
        _tell(found, write_report(found, folder), json)
    for failed in {run.config.out: run for run in runs if run.state == "failed"}.values():
        print(f"failed: {failed.config.out}: {failed.error}", file=sys.stderr)


@sweep_app.command
def status(
    table: Tables = "all",
    *,
    scale: ScaleName = "smoke",
    seeds: int | None = None,
    store: Store = Path("runs/store"),
    json: Json = False,
) -> None:
    """Count the runs of tables: finished, failed, begun and missing.

    Parameters
    ----------
    seeds
        Trainings of each cell; by default what the scale says.
    """
    import pandas as pd

    rows = []
    for found in _reproductions(table, scale, seeds, store, Path("data")):
        states = [run.state for runs in found.runs.values() for run in runs]
        counted = {s: states.count(s) for s in ("finished", "failed", "begun", "missing")}
        rows.append({"table": found.table.name, "runs": len(states), **counted})
    print_table(pd.DataFrame(rows), json)


def _reproductions(
    table: str, scale: str, seeds: int | None, store: Path, data_root: Path
) -> "list[Reproduction]":
    from stripe.experiments.catalogue import list_tables
    from stripe.experiments.catalogue import table as table_of
    from stripe.experiments.reproduce import reproduction
    from stripe.experiments.scales import scale as scale_of

    if seeds is not None and seeds < 1:
        raise StripeError(f"--seeds must be at least 1, got {seeds}")
    names = list_tables() if table == "all" else [table]
    count = None if seeds is None else range(seeds)
    chosen = scale_of(scale)
    return [
        reproduction(table_of(name), chosen, store=store, seeds=count, data_root=data_root)
        for name in names
    ]


def _tell(found: "Reproduction", files: list[Path], json: bool) -> None:
    from stripe.experiments.report import claim_text, shown

    if json:
        tables = {n: getattr(found, n)().to_dict("records") for n in ("numbers", "claims")}
        return print_json({"heading": found.heading, **tables, "files": [str(f) for f in files]})
    print(f"\n{found.heading}\n")
    print(shown(found.numbers()).to_string(index=False))
    print(f"\n{claim_text(found)}\n")
    print(shown(found.claims()).to_string(index=False))
    return print(f"\nwritten  {', '.join(str(file) for file in files)}")
