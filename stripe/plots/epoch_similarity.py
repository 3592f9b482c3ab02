"""The similarity of the gates of every epoch to those of one chosen epoch."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from stripe import stats
from stripe.errors import StripeError
from stripe.plots.axes import axes_or_new, name_above
from stripe.plots.choose import with_columns
from stripe.plots.heat_maps import heat_maps, lines_above, note_missing
from stripe.plots.literal import quoted, shown_runs
from stripe.plots.ticks import name_cells
from stripe.recording import Recorded
from stripe.registry import listed
from stripe.typed import typed

#: Name of a run, its table, and the epoch that others are compared with.
_Compared = tuple[str, pd.DataFrame, int]


@typed
def epoch_similarity(
    data: Recorded | Sequence[Recorded] | pd.DataFrame,
    *,
    names: Sequence[str] | None = None,
    epoch: int | Sequence[int] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the similarity (debiased CKA) of every gate between each epoch and one chosen epoch.

    `stripe.stats.epoch_similarity` describes centred kernel alignment (CKA).

    Parameters
    ----------
    data
        A recording of several epochs, a list of such recordings, or the table of
        `stripe.stats.epoch_similarity`. The matrices of several recordings stand side by side.
    names
        Name of each recording. Default: the parts of their paths that differ.
    epoch
        Epoch with which the others are compared, for all recordings or one per recording.
        Default: the last of each.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.imshow`.

    Returns
    -------
    Axes
        `ax`, with a row per gate, in forward order from top to bottom, and a column per epoch. The
        colour scale is from 0 to 1. A cell is white if its CKA is NaN, for example because the gate
        does not depend on the image at one of the two epochs.

    Raises
    ------
    RecordingError, StripeError
        As for `stripe.stats.epoch_similarity`; also if there is only one epoch, two names are
        equal, there is not one name or epoch per recording, the table lacks a column, `names` or
        several epochs are given with a table, or there are more than 8 recordings.

    Notes
    -----
    CKA compares how a gate represents the differences between images at two epochs. It stays near 1
    if only the mean of the gate changes. If a gate hardly depends on the image, noise determines
    its CKA.

    Examples
    --------
    >>> ax = stripe.plots.epoch_similarity(recording)
    """
    tables, heading = _tables(data, names, epoch)
    matrices = [_with_epoch(table, at) for _, table, at in tables]
    together = len({at for *_, at in tables}) == 1
    titles = [quoted(name) for name, *_ in tables]
    ax = axes_or_new(ax, panels=len(tables))
    images = heat_maps(
        ax,
        [matrix.to_numpy() for matrix in matrices],
        titles=titles if len(tables) > 1 else [""],
        xlabel="epoch",
        ylabel="gate, in forward order",
        colour_label="CKA",
        **{"vmin": 0, "vmax": 1, **kwargs},
    )
    for image, matrix in zip(images, matrices, strict=True):
        note_missing(image.axes, matrix.to_numpy(), "gates that do not vary")
        name_cells(image.axes.yaxis, [str(row) for row in range(1, len(matrix) + 1)])
        name_cells(image.axes.xaxis, [str(int(number)) for number in matrix.columns])
        own = image is images[0] or len(matrix) != len(matrices[0])
        image.axes.tick_params(left=own, labelleft=own)
    with_what = f"epoch {tables[0][2]}" if together else "one epoch of each"
    below = lines_above(images) if len(tables) > 1 else 0
    name_above(ax, f"{heading}compared with {with_what}", below=below)
    return ax


def _tables(
    data: Recorded | Sequence[Recorded] | pd.DataFrame,
    names: Sequence[str] | None,
    epoch: int | Sequence[int] | None,
) -> tuple[list[_Compared], str]:
    """Return name, similarities and chosen epoch of each run, and the begin of the heading."""
    if isinstance(data, pd.DataFrame):
        table = with_columns(
            data,
            ("gate", "epoch", "other", "cka"),
            names=("gate",),
            of="stripe.stats.epoch_similarity",
        )
        if names is not None or isinstance(epoch, Sequence):
            raise StripeError("a table has one recording: give one epoch, and no names")
        last = max(table["epoch"].max(), table["other"].max())
        return [("", table, int(last) if epoch is None else epoch)], ""
    shown = shown_runs(data, names=names, epoch=epoch)
    found = []
    for name, recording, chosen in shown:
        pairs = [sorted({number, chosen}) for number in recording.epochs]
        parts = [stats.epoch_similarity(recording, epochs=pair) for pair in pairs]
        found.append((name, pd.concat(parts), chosen))
    return found, f"{quoted(found[0][0])}, " if len(found) == 1 else ""


def _with_epoch(table: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Return the similarity with an epoch, gates in forward order x epochs."""
    epochs: list[int] = sorted({*table["epoch"], *table["other"]})
    if len(epochs) < 2 or epoch not in epochs:
        raise StripeError(
            f"a similarity of epochs needs two of them, {epoch} among them; recorded: "
            f"{listed(list(map(str, epochs)))}"
        )
    swapped = table.rename(columns={"epoch": "other", "other": "epoch"})
    both = pd.concat([table, swapped]).drop_duplicates(["gate", "epoch", "other"])
    found = both[both["other"] == epoch].pivot_table(
        index="gate", columns="epoch", values="cka", aggfunc="first", dropna=False
    )
    return found.reindex(index=list(dict.fromkeys(table["gate"])), columns=epochs)
