"""The Stripe Observation as a picture: images x channels, before and after attention."""

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new, heat_maps, name_above
from stripe.plots.choose import (
    ChannelOrder,
    Choice,
    ImageOrder,
    Scale,
    Side,
    View,
    chosen_gate,
    of,
    one_of,
    said,
    view,
)
from stripe.recording import Recorded
from stripe.recording.runs import Shown, shown_runs
from stripe.recording.same_images import unpaired
from stripe.stats.stripe_index import index_row


def stripes(
    data: Recorded | Sequence[Recorded],
    *,
    names: Sequence[str] | None = None,
    gate: str | None = None,
    epoch: int | Sequence[int] | None = None,
    n_images: int = 20,
    channels: int = 60,
    image_order: ImageOrder = "random",
    channel_order: ChannelOrder = "random",
    seed: int = 0,
    side: Side = "both",
    scale: Scale = "own",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the input features and the gate of an attention module as heat maps.

    Parameters
    ----------
    data
        A recording, or several, whose panels are side by side. If their shapes are equal, all
        panels show the images and channels chosen for the first recording, in the same order.
    names
        Name of each recording. Default: the parts of their paths that differ.
    gate
        Name of the gate. Default: the deepest gate.
    epoch
        Epoch for all recordings, or one for each. Default: the last of each.
    n_images, channels
        Number of images and of channels, drawn at random.
    image_order
        "random", or sorted by "label" or "prediction". Sorted rows have lines between classes, and
        the numbers of the classes at the side.
    channel_order
        "random", or sorted by "mean" or "spread" (standard deviation) over all images, ascending.
    seed
        Seed of the random choices.
    side
        "before": the global average of the features that the gate multiplies; "after": the gate; or
        "both".
    scale
        "own": each panel has its own colour scale and colour bar; "shared": both panels share one.
    ax
        Axes to draw on. Default: new Axes. Several panels are its `child_axes`.
    **kwargs
        Passed to `Axes.imshow`: `cmap`, `vmin`, `vmax` and so on.

    Returns
    -------
    Axes
        `ax`. Each panel shows an array (images, channels). Its title ends with the stripe index
        (eta2) over all images and channels of the epoch.

    Raises
    ------
    RecordingError
        If the epoch, the pooled inputs (for "before"), or the labels or predictions (for sorting)
        were not recorded.
    UnknownNameError
        If there is no such gate.

    Notes
    -----
    Both scales can mislead. Features and gates have different ranges: a gate that ends in a sigmoid
    lies in (0, 1). On a shared scale, such a gate looks flat next to features of a wider range, and
    so looks like a stripe even if it depends on the image. On its own scale, a gate with nearly
    equal values looks as varied as any other, so read the numbers at the colour bar. A scale spans
    all values shown, so one outlier makes the other values look alike. Set `vmin` and `vmax` to see
    them. The stripe index does not depend on the scale.

    References
    ----------
    Figure 2a; Figures 22 to 28.

    Examples
    --------
    >>> ax = stripe.plots.stripes(recording, image_order="label", channel_order="mean")
    """
    one_of("side", side, get_args(Side))
    one_of("scale", scale, get_args(Scale))
    runs = shown_runs(data, names=names, epoch=epoch)
    name = chosen_gate(runs[0].recording, gate)
    choice = Choice(
        n_images=n_images,
        channels=channels,
        image_order=image_order,
        channel_order=channel_order,
        seed=seed,
    )
    first = view(runs[0].recording, name, runs[0].epoch, choice)
    panels: list[_Panel] = []
    for run in runs:
        for title, values in _sides(run, name, side).items():
            shown = first
            if panels and (values.shape != panels[0].matrix.shape or unpaired(runs[0], run)):
                shown = view(run.recording, name, run.epoch, choice)
            panels.append(_Panel(f"{run.name}\n" * (len(runs) > 1) + title, values, shown, run))
    total_images, total_channels = panels[0].matrix.shape
    ax = axes_or_new(ax, panels=len(panels))
    join = "\n" if len(panels) > 1 else ", "  # a panel alone is wide
    titles = [f"{panel.title}{join}{_index(panel.matrix)}" for panel in panels]
    if len(panels) == 1:
        titles = [f"{said(runs, name)}\n{titles[0]}"]
    drawn = heat_maps(
        ax,
        [panel.matrix[np.ix_(*panel.shown)] for panel in panels],
        titles=titles,
        xlabel=of(len(first.columns), total_channels, "channel"),
        ylabel=of(len(first.rows), total_images, "image"),
        colour_label="value",
        scale=scale,
        **{"cmap": "viridis", **kwargs},
    )
    if image_order != "random":
        for number, (image, panel) in enumerate(zip(drawn, panels, strict=True)):
            classes = panel.run.recording.rows(panel.run.epoch)[image_order].to_numpy()
            _border(image.axes, classes[panel.shown.rows], image_order if number == 0 else None)
    if len(panels) > 1:
        name_above(ax, said(runs, name), below=titles[0].count("\n") + 1)
    return ax


#: Largest number of class names beside a panel.
_MOST_NAMES = 16


class _Panel(NamedTuple):
    """One picture: what it is called, all values, which of them are shown, and of which run."""

    title: str
    matrix: np.ndarray
    shown: View
    run: Shown


def _border(ax: Axes, classes: np.ndarray, order: str | None) -> None:
    """Draw a line between classes and, with `order`, name them in place of the rows."""
    named = ["none" if value is pd.NA else str(value) for value in classes]
    starts = [row for row in range(len(named)) if row == 0 or named[row] != named[row - 1]]
    for row in starts[1:]:
        ax.axhline(row - 0.5, color="white", linewidth=0.6)
    if order is not None:
        ends = [*starts[1:], len(named)]
        centres = [(start + end - 1) / 2 for start, end in zip(starts, ends, strict=True)]
        apart = len(named) / _MOST_NAMES
        kept = [0]
        kept += [i for i in range(1, len(centres)) if centres[i] - centres[i - 1] >= apart]
        ax.set_yticks([centres[i] for i in kept], [named[starts[i]] for i in kept])
        ax.set_ylabel(f"{order} of {ax.get_ylabel()}")


def _sides(run: Shown, gate: str, side: Side) -> dict[str, np.ndarray]:
    """Return the values of each side that is shown, by its title."""
    sides = {}
    if side != "after":
        sides["before: features"] = run.recording.inputs(gate, run.epoch)
    if side != "before":
        sides["after: gate"] = run.recording.values(gate, run.epoch)
    return sides


def _index(values: np.ndarray) -> str:
    exact = values.astype(np.float64)
    eta2, *_, constant = index_row(exact.mean(axis=0), exact.std(axis=0))
    return r"$\eta^2$ = " + f"{eta2:.2f}" + (" (one value)" if constant else "")
