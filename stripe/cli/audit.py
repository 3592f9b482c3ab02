"""Audit the attention of a network."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from stripe.cli.app import (
    Json,
    app,
    print_json,
)
from stripe.cli.options.model import Source
from stripe.cli.options.ranges import Count, Share
from stripe.cli.options.task import ANY_TASK, TaskOptions
from stripe.defaults import LIMIT, ROUNDS, THRESHOLD
from stripe.files import PAGES, check_target

if TYPE_CHECKING:
    from stripe.audit.result import Audit


#: Divergences in nats, most of them far below 1.
_COSTS = dict.fromkeys(("predicted_kl", "kl", "kl_low", "kl_high"), "{:.2g}".format)


@app.command
def audit(
    source: Source,
    *,
    out: Path = Path("report.html"),
    threshold: Share = THRESHOLD,
    curve: Annotated[bool, Parameter(negative=())] = False,
    alone: Annotated[bool, Parameter(negative=())] = False,
    controls: Annotated[bool, Parameter(negative=())] = False,
    optimal: Annotated[bool, Parameter(negative=())] = False,
    rounds: Count = ROUNDS,
    threads: Count = 1,
    task: TaskOptions = ANY_TASK,
    json: Json = False,
) -> None:
    """Measure how constant a network's attention is, and write an HTML report.

    Parameters
    ----------
    out
        HTML file to write.
    threshold
        Smallest agreement that the recommended gates must keep, 0 to 1.
    curve
        Measure the effect of every number of frozen gates, not only of those that the search needs.
    alone
        Also measure the cost of freezing each gate alone.
    controls
        Also measure each intervention of stripe ablate on all gates at once.
    optimal
        Also learn the constants of all gates, and compare them with the means.
    rounds
        Number of timed rounds. Each round times one pass with the gates and one without them.
    threads
        Number of threads of onnxruntime for timing an ONNX file.
    """
    import stripe
    from stripe.audit.report import ReportError
    from stripe.cli.options.load_network import is_onnx

    check_target(out, PAGES, "a report")
    compared = task.load()
    network, loader, images = source.load(onnx=True, limit=LIMIT)
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
    except ReportError as error:  # the numbers are printed without the report
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
    print(found.gates[columns].to_string(index=False, float_format="%.4f", formatters=_COSTS))
    known, held_out = found.n_images
    print(f"eta2 and relative_spread: {known} of {known + held_out} images")
    measures = ["kl", "kl_low", "kl_high", "agreement", "accuracy"]
    for table, first in ((found.controls, ["intervention"]), (found.optimal, ["constants"])):
        if table is not None:
            columns = [*first, *measures]
            print(
                "\n" + table[columns].to_string(index=False, float_format="%.4f", formatters=_COSTS)
            )
    last = found.greedy.iloc[-1]
    print(
        f"\n{len(found.recommended)} of {len(found.gates)} gates freeze with at least "
        f"{100 * found.threshold:g} % of predictions kept; all {last.frozen} that can be frozen "
        f"keep {100 * last.agreement:.1f} % ({found.n_images[1]} images)"
    )
    if found.recommended:
        print(f"stripe freeze takes these as --gates {' '.join(found.recommended)}")
    if found.undecided:
        print(
            f"{found.n_images[1]} images are too few to exclude that some gates keep "
            f"{100 * found.threshold:g} %: audit more"
        )
    low, high = (100 * share for share in found.attention_share_quartiles)
    said = (
        f"attention is {100 * found.attention_share:.0f} % of the time of a forward pass"
        if found.timed
        else "no difference between the times with and without attention could be measured"
    )
    print(f"{said} (half of {rounds} rounds: {low:.0f} to {high:.0f} %)")
    return None
