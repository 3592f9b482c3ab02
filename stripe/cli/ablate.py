"""`stripe ablate`: replace the gates of a network, and measure the effect."""

import sys
import tempfile
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stripe.cli.app import (
    Gates,
    Json,
    Picture,
    Several,
    app,
    picture_file,
    print_table,
    save_table,
    table_file,
)
from stripe.cli.interrupted import Interrupted
from stripe.cli.options.model import Source
from stripe.cli.options.task import ANY_TASK, TaskOptions
from stripe.defaults import LIMIT
from stripe.errors import StripeError
from stripe.interrupts import interrupts_allowed, interrupts_held

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from stripe.intervene.ablate import Ablations


@app.command
def ablate(
    source: Source,
    *,
    interventions: Several = (),
    gates: Gates = ("all",),
    task: TaskOptions = ANY_TASK,
    recording: Path | None = None,
    out: Path | None = None,
    figure: Picture | None = None,
    measure: Literal["agreement", "kl", "accuracy"] = "agreement",
    json: Json = False,
) -> None:
    """Replace gates by constants or by the gates of other images, and measure the effect.

    Print one row per intervention and gate, and one per intervention for all gates together. A row
    gives the agreement with the unchanged network's predictions, the KL divergence in nats, the
    accuracy, and a 95 % interval of each. Networks without class scores have no divergence. A
    random half of the images is recorded, and the effect is measured on the other half. After
    Ctrl-C, the finished rows are printed and written.

    Parameters
    ----------
    interventions
        One or more of mean, grand_mean, class_mean, shuffle, resample, one and zero. Default: all.
        class_mean is left out if images have no labels, if a label does not occur in the recording,
        or if the recording is of another data set.
    recording
        Recording of the same network. The effect is then measured on all images.
    out
        CSV file for the table.
    figure
        Image file for a figure of the measure.
    measure
        Measure in the figure: agreement, kl or accuracy.
    """
    from stripe import plots
    from stripe.audit.images import gather
    from stripe.hooks import record
    from stripe.hooks.mixed import random_halves
    from stripe.intervene.ablate import ablations
    from stripe.intervene.functions import check_names
    from stripe.recording import open_recording

    for one in interventions:
        check_names(one)
    table_file(out)
    picture_file(figure)
    compared = task.load()
    given = None if recording is None else open_recording(recording)
    network, loader, named = source.load(limit=LIMIT)
    images, labels = gather(loader, source.limit or LIMIT)
    with (
        interrupts_held(),
        tempfile.TemporaryDirectory() as folder,
        interrupts_allowed(),
    ):
        if given is None:
            known, held_out = random_halves(len(images), source.seed, labels=labels)
            of_known = None if labels is None else labels[known]
            first = _batches(images[known], of_known, source.batch_size)
            recorded = record(network, first, Path(folder) / "gates", inputs=False)
            images, labels = images[held_out], None if labels is None else labels[held_out]
        else:
            recorded = given
            _check_classes(recorded, named, interventions)
        planned = ablations(
            network,
            _batches(images, labels, source.batch_size),
            recorded,
            interventions or _all_that_can(labels, recorded, named),
            gates,
            seed=source.seed,
            **compared,
        )
        print(f"each row is measured on {len(images)} images", file=sys.stderr)
        table = _shown(planned, out, json)
    if figure is not None:
        with plots.paper_style():
            plots.save_figure(plots.ablation(table, measure=measure), figure)


def _shown(planned: "Ablations", out: Path | None, json: bool) -> "pd.DataFrame":
    """Measure, print and write a table. After an interrupt, do this with the finished rows."""
    import pandas as pd

    from stripe.intervene.ablate import COLUMNS

    rows: list[dict[str, Any]] = []
    stopped: KeyboardInterrupt | None = None
    try:
        rows.extend(planned.rows)
    except KeyboardInterrupt as error:
        stopped = error
        if not rows:
            raise
    table = pd.DataFrame(rows, columns=COLUMNS)
    print_table(table, json)
    save_table(table, out)
    if stopped is not None:
        raise Interrupted(
            f"{len(rows)} of {planned.total} rows are finished and printed above"
            f"{f', and are in {out}' if out else ''}; --interventions and --gates choose the others"
        ) from stopped
    return table


def _batches(images: "Tensor", labels: "Tensor | None", size: int) -> list[Any]:
    """Split images into batches of nearly the same size, so that no batch holds a single image."""
    count = ceil(len(images) / size)
    parts = images.tensor_split(count)
    return list(parts if labels is None else zip(parts, labels.tensor_split(count), strict=True))


def _other_data(recorded: Any, named: str) -> str:
    """Return the data set of a recording if its labels may have other meanings, otherwise ""."""
    theirs: str = recorded.header.dataset.removesuffix("/test")
    return "" if theirs in ("", named.removesuffix("/test")) else theirs


def _check_classes(recorded: Any, named: str, interventions: tuple[str, ...]) -> None:
    """Refuse class means of another data set."""
    if "class_mean" in interventions and (theirs := _other_data(recorded, named)):
        raise StripeError(
            f"class_mean needs recorded labels that mean the classes of {named}, and "
            f"{recorded.path} is of {theirs}; record {named}, or leave class_mean out"
        )


def _all_that_can(labels: "Tensor | None", recorded: Any, named: str) -> tuple[str, ...]:
    """Return all interventions. Class means need the same data set, and a record of every label."""
    from stripe.intervene.ablate import ABLATIONS

    if _other_data(recorded, named):
        return ABLATIONS
    if labels is None or not set(labels.tolist()) <= set(recorded.images["label"].dropna()):
        return ABLATIONS
    return (*ABLATIONS, "class_mean")
