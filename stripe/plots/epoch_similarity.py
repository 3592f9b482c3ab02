"""How alike the gates of every epoch are to those of another one."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe import stats
from stripe.errors import StripeError
from stripe.plots.axes import axes_or_new, heat_maps, name_above
from stripe.plots.choose import with_columns
from stripe.recording import Recorded
from stripe.recording.runs import shown_runs
from stripe.registry import listed


def epoch_similarity(
    data: Recorded | pd.DataFrame,
    *,
    epoch: int | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the debiased CKA between each epoch of every gate and one chosen epoch.

    Parameters
    ----------
    data
        A recording of several epochs, or the table of `stripe.stats.epoch_similarity`.
    epoch
        Epoch with which the others are compared. Default: the last.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.imshow`.

    Returns
    -------
    Axes
        `ax`, with a row per gate, in forward order from top to bottom, and a column per epoch. The
        colour scale is from 0 to 1. The row of a gate that does not depend on the image is blank.

    Raises
    ------
    StripeError
        If there is only one epoch, there is no such epoch, or the table lacks a column.

    Notes
    -----
    CKA compares how a gate represents the differences between images. It stays near 1 if only the
    mean of the gate changes. If a gate hardly depends on the image, noise determines its CKA.

    Examples
    --------
    >>> ax = stripe.plots.epoch_similarity(recording)
    """
    if isinstance(data, pd.DataFrame):
        table, heading = with_columns(data, ("gate", "epoch", "other", "cka"), names=("gate",)), ""
    else:
        ((name, recording, epoch),) = shown_runs(data, epoch=epoch)
        pairs = [{number, epoch} for number in recording.epochs]
        table = pd.concat([stats.epoch_similarity(recording, epochs=sorted(p)) for p in pairs])
        heading = f"{name}, "
    epochs: list[int] = sorted({*table["epoch"], *table["other"]})
    chosen: int = max(epochs, default=0) if epoch is None else epoch
    if len(epochs) < 2 or chosen not in epochs:
        raise StripeError(
            f"a similarity of epochs needs two of them, {chosen} among them; recorded: "
            f"{listed(list(map(str, epochs)))}"
        )
    matrix = _with_epoch(table, chosen).reindex(columns=epochs)
    ax = axes_or_new(ax)
    (image,) = heat_maps(
        ax,
        [matrix.to_numpy()],
        titles=[""],
        xlabel="epoch",
        ylabel="gate, in forward order",
        colour_label="CKA",
        **{"vmin": 0, "vmax": 1, **kwargs},
    )
    _number(image.axes, len(matrix), epochs)
    name_above(ax, f"{heading}compared with epoch {chosen}")
    return ax


def _with_epoch(table: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Return the similarity with an epoch, gates in forward order x epochs."""
    swapped = table.rename(columns={"epoch": "other", "other": "epoch"})
    both = pd.concat([table, swapped]).drop_duplicates(["gate", "epoch", "other"])
    found = both[both["other"] == epoch].pivot_table(
        index="gate", columns="epoch", values="cka", aggfunc="first", dropna=False
    )
    return found.reindex(list(dict.fromkeys(table["gate"])))


def _number(ax: Axes, gates: int, epochs: list[int]) -> None:
    """Write the numbers of gates, from 1, and of epochs beside the axes."""
    rows = np.arange(0, gates, max(1, -(-gates // 8)))
    columns = np.arange(0, len(epochs), max(1, -(-len(epochs) // 8)))
    ax.set_yticks(rows, [str(row + 1) for row in rows])
    ax.set_xticks(columns, [str(epochs[column]) for column in columns])
