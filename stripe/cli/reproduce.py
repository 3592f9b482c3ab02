"""Commands that reproduce the paper's tables and figures."""

import json as jsonlib
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from stripe.cli.app import Json, app, print_json, print_table
from stripe.cli.interrupted import interruptible
from stripe.cli.options.engines import RUN_HERE, RunEngine
from stripe.cli.options.ranges import Count, CountOrNone, Index
from stripe.defaults import DATA_ROOT
from stripe.errors import StripeError
from stripe.registry import listed

if TYPE_CHECKING:
    from stripe.reproduce.engines import Local, Ray
    from stripe.reproduce.reproduction import Reproduction
    from stripe.reproduce.store.cost import Costs
    from stripe.reproduce.store.runs import StoredRun

sweep_app = App(
    name="sweep", help="Inspect the runs that tables and figures need, and repeat some of them."
)
app.command(sweep_app)

Names = Annotated[
    str,
    Parameter(
        help="Name of a table or figure: table1 to table9, table13, table14, figure2 to figure5, "
        "figure11 to figure29, constants (Section 6 (1)), deep-noise (one constant "
        "noise of Table 8, in the scale's deep network), theorem (6.1), depth (gates by depth, "
        "not in the paper); or a group: all, tables, figures."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Target:
    """The scale of a reproduction, and the folders of its runs and data.

    Parameters
    ----------
    scale
        Size of the experiments: paper, small, desk, smoke or test. Results at different scales are
        not comparable.
    seeds
        Number of training runs, with different seeds, for each network in a table or figure.
        Default: the number of the scale.
    store
        Folder of all runs. A run that several tables need is stored once.
    data_root
        Folder that holds data sets.
    noise_when
        For Table 8: mode in which noise is added (train, eval or both). Default: train for random
        noise, both for constant noise.
    noise_sigma
        For Table 8: meaning of sigma, the standard deviation or the variance of random noise.
    """

    scale: str = "smoke"
    seeds: CountOrNone = None
    noise_when: Literal["train", "eval", "both"] | None = None
    noise_sigma: Literal["deviation", "variance"] = "deviation"
    store: Path = Path("runs/store")
    data_root: Path = DATA_ROOT


_DEFAULT = Target()


@app.command
def reproduce(
    exhibit: Names,
    *,
    target: Target = _DEFAULT,
    report: Annotated[bool, Parameter(negative=())] = False,
    published: Annotated[bool, Parameter(negative=())] = False,
    out: Path | None = None,
    engine: RunEngine = RUN_HERE,
    json: Json = False,
) -> None:
    """Run the missing trainings of a table or figure, and print our numbers and the paper's.

    Parameters
    ----------
    report
        Run nothing. Report the runs in the store, and the numbers published with the reports.
    published
        Skip runs whose numbers are published with the reports. Use this to continue a reproduction
        on another machine.
    out
        Folder for the tables (CSV, Markdown and LaTeX) and figures. Default:
        figures/reproduce/SCALE.
    """
    from stripe.reproduce.report import write_reproduction

    chosen = engine.made()
    folder = out or reports_of(target.scale)
    wanted = reproductions(exhibit, target, published=folder if report or published else None)
    for place in (folder,) if report else (target.store, folder):
        _make(place)
    runs = list({run.config.out: run for found in wanted for run in found.needed}.values())
    if not report and any(run.state != "finished" for run in runs):
        print(_cost(runs, chosen), file=sys.stderr)
        with interruptible(lambda: "finished runs were kept; the same command does the others"):
            chosen.run(runs)
    printed = [_print(found, write_reproduction(found, folder), json) for found in wanted]
    if json:
        print_json(printed[0] if len(printed) == 1 else printed)
    failed = {run.config.out: run.error for run in runs if run.state == "failed"}
    for error in dict.fromkeys(failed.values()):  # each error is printed once
        paths = [str(path) for path, other in failed.items() if other == error]
        print(f"failed: {listed(paths, 3)}:\n{indent(error, '  ')}", file=sys.stderr)
    if not report and (left := sum(run.state != "finished" for run in runs)):
        print(f"{left} runs are not finished; the same command tries them again", file=sys.stderr)
        sys.exit(1)


@sweep_app.command
def status(exhibit: Names = "all", *, target: Target = _DEFAULT, json: Json = False) -> None:
    """Count the finished, failed, begun and missing runs of tables and figures.

    A run that several tables need is counted for each of them, but only once in the last row.
    hours_left is the estimated time for one worker, from the times of similar finished runs.
    unknown counts the unfinished runs without a similar finished run, which hours_left does not
    include. hours_left is NaN if no unfinished run has a similar finished run.
    """
    import pandas as pd

    from stripe.reproduce.store.cost import estimate

    found = reproductions(exhibit, target)
    once = list({run.config.out: run for one in found for run in one.needed}.values())
    costs = estimate(once)
    rows = [{"exhibit": one.exhibit.name, **_counted(one.needed, costs)} for one in found]
    if len(found) > 1:
        rows.append({"exhibit": "together", **_counted(once, costs)})
    print_table(pd.DataFrame(rows), json)


@sweep_app.command
def repeat(
    exhibit: Names = "all",
    *,
    target: Target = _DEFAULT,
    count: Count = 1,
    draw: Index = 0,
    reports: Path | None = None,
    engine: RunEngine = RUN_HERE,
    json: Json = False,
) -> None:
    """Repeat randomly drawn published runs, and compare the numbers. Exit with 1 if any differs.

    On the same kind of machine, the numbers are equal to the last bit. Runs that measure times are
    not drawn. If the store already holds a drawn run, the command stops with an error, because the
    run would not be repeated.

    Parameters
    ----------
    count
        Number of runs.
    draw
        Seed of the random choice.
    reports
        Folder of the published numbers. Default: figures/reproduce/SCALE.
    """
    from stripe.reproduce.repeat import drawn, repeated

    folder = reports or reports_of(target.scale)
    found, root = reproductions(exhibit, target), target.data_root
    draws = drawn(found, folder, count=count, seed=draw, store=target.store, data_root=root)
    chosen = engine.made()
    _make(target.store)
    print(_cost([run for one in draws for run in one.chain], chosen), file=sys.stderr)
    table = repeated(draws, chosen)
    print_table(table, json)
    if not table["equal"].all():
        sys.exit(1)


def _make(folder: Path) -> None:
    """Make a folder before the work, so that an error comes early."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StripeError(
            f"{folder} cannot be a folder: {error.strerror}; choose another"
        ) from error


def _full_name(short: "re.Match[str]") -> str:
    """Return the full form of the first word, such as "figure" for "Fig. 2"."""
    return {"tab": "table", "fig": "figure"}[short[1]]


def _counted(runs: "list[StoredRun]", costs: "Costs") -> dict[str, int | float]:
    states = [run.state for run in runs]
    counts = {s: states.count(s) for s in ("finished", "failed", "begun", "missing")}
    seconds = [costs.seconds[run.config.out] for run in runs if run.config.out in costs.seconds]
    unknown = len(states) - counts["finished"] - len(seconds)
    hours = round(sum(seconds) / 3600, 2) if seconds or not unknown else math.nan
    return {"runs": len(states), **counts, "hours_left": hours, "unknown": unknown}


def _cost(runs: "list[StoredRun]", engine: "Local | Ray") -> str:
    """Return the estimated cost of runs before they begin, and why they may be slow."""
    from stripe.reproduce.engines import Local
    from stripe.reproduce.store.cost import estimate
    from stripe.train.device import resolve_device
    from stripe.train.precision import is_emulated, slow_precision

    if not isinstance(engine, Local):
        return estimate(runs).words(1)
    said, device = estimate(runs).words(engine.at_a_time()), resolve_device(engine.device)
    if slow := sum(run.state != "finished" and is_emulated(run.config, device) for run in runs):
        said += f"\n{slow} of them train in bfloat16: {slow_precision(device)}"
    return said


def reports_of(scale: str) -> Path:
    """Return the folder of the reports of a scale."""
    return Path("figures/reproduce") / scale


def reproductions(
    name: str, target: Target, *, published: Path | None = None
) -> "list[Reproduction]":
    """Return the exhibits of a name or group, at a scale. `published` is as in `reproduction`."""
    from stripe.reproduce.paper.catalogue import exhibit, list_exhibits
    from stripe.reproduce.paper.noise_reading import NoiseReading
    from stripe.reproduce.paper.scales import scale
    from stripe.reproduce.reproduction import reproduction

    name = re.sub(r"^(tab|fig)(le|ure)?[. ]*", _full_name, name.lower())
    groups = {"all": "", "tables": "table", "figures": "figure"}
    names = [n for n in list_exhibits() if n.startswith(groups[name])] if name in groups else [name]
    count = None if target.seeds is None else range(target.seeds)
    chosen = scale(target.scale)
    reading = NoiseReading(when=target.noise_when, sigma=target.noise_sigma)
    where: Any = {
        **{"store": target.store, "seeds": count, "data_root": target.data_root},
        "published": published,
    }
    return [reproduction(exhibit(one, reading), chosen, **where) for one in names]


def _print(found: "Reproduction", files: list[Path], json: bool) -> dict[str, Any] | None:
    """Print an exhibit, or return it as JSON values."""
    from stripe.reproduce.report import claim_text, legend, rounded

    if json:
        tables = {"numbers": found.numbers(), "claims": found.claims()}
        # pandas writes missing values as null.
        rows = {n: jsonlib.loads(t.to_json(orient="records")) for n, t in tables.items()}
        said = {"heading": found.heading, "notes": found.notes, "claim": claim_text(found)}
        return {**said, **rows, "files": [str(f) for f in files]}
    print(f"\n{found.heading}\n")
    print(rounded(found.numbers()).to_string(index=False))
    print(f"\n{legend(found)}\n{found.notes}\n{claim_text(found)}\n")
    if len(found.claims()):
        print(rounded(found.claims()).to_string(index=False))
    written = ", ".join(str(file) for file in files)
    print(f"\nwritten  {written}" if files else "\nnothing is finished yet, so nothing was written")
    return None
