"""The similarity of the gates of a network to each other."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from stripe import stats
from stripe.errors import StripeError
from stripe.plots.axes import axes_or_new, name_above
from stripe.plots.choose import said, with_columns
from stripe.plots.heat_maps import heat_maps, lines_above, note_missing
from stripe.plots.literal import quoted, shown_runs
from stripe.plots.ticks import name_cells
from stripe.recording import Recorded
from stripe.typed import typed


@typed
def gate_similarity(
    data: Recorded | Sequence[Recorded] | pd.DataFrame,
    *,
    names: Sequence[str] | None = None,
    epoch: int | Sequence[int] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the similarity (debiased CKA) of each pair of gates at one epoch.

    `stripe.stats.epoch_similarity` describes centred kernel alignment (CKA).

    Parameters
    ----------
    data
        A recording, a list of recordings, or the table of `stripe.stats.gate_similarity` for one
        recording. The matrices of several recordings stand side by side.
    names
        Name of each recording. Default: the parts of their paths that differ.
    epoch
        Epoch of all recordings, or one per recording. Default: the last of each. A table has one
        epoch, so `epoch` is ignored.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.imshow`.

    Returns
    -------
    Axes
        `ax`, with a symmetric matrix of gates x gates, in forward order from the upper left. The
        colour scale is from 0 to 1. The row and the column of a gate that does not depend on the
        image are white.

    Raises
    ------
    RecordingError, StripeError
        As for `stripe.stats.gate_similarity`; also if there are no channel gates, two names are
        equal, there is not one name or epoch per recording, the table lacks a column or has two
        rows for a pair of gates, or there are more than 8 recordings.

    Notes
    -----
    CKA compares how two gates represent the differences between images. A value near 1 does not
    mean that the gates have equal values, nor that one of them can replace the other. If a gate
    hardly depends on the image, noise determines its CKA.

    Examples
    --------
    >>> ax = stripe.plots.gate_similarity(recording)
    """
    if isinstance(data, pd.DataFrame):
        words = ("gate", "other")
        table = with_columns(data, (*words, "cka"), names=words, of="stripe.stats.gate_similarity")
        matrices, titles, heading = [_symmetric(table)], [""], ""
    else:
        runs = shown_runs(data, names=names, epoch=epoch)
        matrices = [_symmetric(stats.gate_similarity(run.recording, run.epoch)) for run in runs]
        alone = len(runs) == 1
        heading = said(runs)
        titles = [""] if alone else [quoted(run.name) for run in runs]
    ax = axes_or_new(ax, panels=len(matrices), height=2.6 if len(matrices) == 1 else 2.2)
    images = heat_maps(
        ax,
        [matrix.to_numpy() for matrix in matrices],
        titles=titles,
        xlabel="gate, in forward order",
        ylabel="gate, in forward order",
        colour_label="CKA",
        **{"vmin": 0, "vmax": 1, "aspect": "equal", **kwargs},
    )
    for image, matrix in zip(images, matrices, strict=True):
        note_missing(image.axes, matrix.to_numpy(), "gates that do not vary")
        numbers = [str(place) for place in range(1, len(matrix) + 1)]
        for axis in (image.axes.xaxis, image.axes.yaxis):
            name_cells(axis, numbers)
    name_above(ax, heading, below=lines_above(images) if len(matrices) > 1 else 0)
    return ax


def _symmetric(table: pd.DataFrame) -> pd.DataFrame:
    """Return the similarity of gates x gates, in forward order."""
    if table.empty:
        raise StripeError("there is nothing to draw: no channel gates are recorded")
    if table.duplicated(["gate", "other"]).any():
        raise StripeError("a table must have one row for each two gates; give one epoch's")
    swapped = table.rename(columns={"gate": "other", "other": "gate"})
    both = pd.concat([table, swapped]).drop_duplicates(["gate", "other"])
    names = list(dict.fromkeys(table["gate"]))
    matrix = both.pivot_table(
        index="gate", columns="other", values="cka", aggfunc="first", dropna=False
    )
    return matrix.reindex(index=names, columns=names)
