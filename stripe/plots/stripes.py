"""The Stripe Observation: images x channels, before and after attention (Figure 2a)."""

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new, lettered, letters_in, name_above, wrapped
from stripe.plots.choose import (
    ChannelOrder,
    Choice,
    ColourScale,
    ImageOrder,
    Side,
    View,
    chosen_gate,
    of,
    one_of,
    said,
    view,
)
from stripe.plots.heat_maps import heat_maps
from stripe.plots.literal import literal, quoted, shown_runs
from stripe.plots.ticks import name_cells
from stripe.recording import Recorded
from stripe.recording.runs import NamedRun
from stripe.recording.same_images import unpaired
from stripe.stats.stripe_index import index_row, index_text
from stripe.stats.unwarned import unwarned
from stripe.typed import typed


@typed
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
    scale: ColourScale = "own",
    classes: Sequence[str] = (),
    letters: bool = True,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the input features and the gate of an attention module as heat maps.

    Parameters
    ----------
    data
        A recording, or several; their panels are drawn side by side. Recordings of the same images
        show the images chosen for the first recording, in the same order. Recordings in which the
        gate has the same number of channels show the channels chosen for the first recording.
        Otherwise, each recording has its own choice.
    names
        Name of each recording. Default: the parts of their paths that differ.
    gate
        Name of the gate. Default: the deepest gate.
    epoch
        Epoch for all recordings, or one for each. Default: the last of each.
    n_images, channels
        Number of images and of channels, chosen at random.
    image_order
        "random", or sorted by "label" or "prediction", with lines between classes and their names
        or numbers at the side.
    channel_order
        "random": the chosen channels in the order of their numbers; or sorted by the "mean" or the
        "spread" (standard deviation) of the gate over all images, ascending.
    seed
        Seed of the random choices.
    side
        "before": the pooled inputs, which are the global average of the features that the gate
        multiplies; "after": the gate; or "both".
    scale
        "own": each panel has its own colour scale and colour bar; "shared": all panels share one
        scale.
    classes
        Names of the classes by number. A class without a name is labelled with its number.
    letters
        Label the panels a, b and so on, if there are several.
    ax
        Axes to draw on. Default: new Axes. If there are several panels, they are its `child_axes`.
    **kwargs
        Passed to `Axes.imshow`: `cmap`, `vmin`, `vmax` and so on.

    Returns
    -------
    Axes
        `ax`. Every panel shows an array (images, channels): the global average of the features
        (before) or the gate (after). The numbers at the axes are those of the images and channels
        in the recording. The title of each panel ends with the stripe index (eta2) of all images
        and channels of the epoch, not only those shown.

    Raises
    ------
    RecordingError
        If the epoch, the values, the pooled inputs (for "before"), or the labels or predictions
        (for sorting) were not recorded; if two names are equal; or if there is not one name or
        epoch per recording.
    UnknownNameError
        If a recording has no such gate.
    StripeError
        If `n_images` or `channels` is below 1, an option has an unknown value, or there are more
        than 8 panels.

    Notes
    -----
    Both settings of `scale` can mislead. Features and gates have different ranges: a gate that ends
    in a sigmoid lies in (0, 1). On a shared scale, such a gate looks flat next to features of a
    wider range, and so looks like a stripe even if it depends on the image. On its own scale, a
    gate with nearly equal values looks as varied as any other, so read the numbers on the colour
    bar. A scale spans all values shown, so one outlier makes the other values look alike. Set
    `vmin` and `vmax` to see their differences. The stripe index does not depend on the scale.

    References
    ----------
    Figure 2a; Figures 22 to 28.

    Examples
    --------
    >>> ax = stripe.plots.stripes(recording, image_order="label", channel_order="mean")
    """
    one_of("side", side, get_args(Side))
    one_of("scale", scale, get_args(ColourScale))
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
        for shows, values in _sides(run, name, side).items():
            shown = first
            if panels and (values.shape != panels[0].matrix.shape or unpaired(runs[0], run)):
                shown = view(run.recording, name, run.epoch, choice)
            if panels and values.shape[1] == panels[0].matrix.shape[1]:
                shown = View(shown.rows, first.columns)
            panels.append(_Panel(shows, values, shown, run))
    total_images, total_channels = panels[0].matrix.shape
    rows = of(len(first.rows), total_images, "image")
    if any(unpaired(runs[0], run) for run in runs[1:]):
        rows = "image (each run has its own)"
    ax = axes_or_new(ax, panels=len(panels))
    drawn = heat_maps(
        ax,
        [panel.matrix[np.ix_(*panel.shown)] for panel in panels],
        titles=[""] * len(panels),
        xlabel=of(len(first.columns), total_channels, "channel")
        + (f", by {channel_order}" if channel_order != "random" else ""),
        ylabel=rows,
        colour_label=_colour_labels(panels, scale),
        scale=scale,
        **{"cmap": "viridis", **kwargs},
    )
    for number, (image, panel) in enumerate(zip(drawn, panels, strict=True)):
        rows_of_epoch = panel.run.recording.rows(panel.run.epoch).iloc[panel.shown.rows]
        name_cells(image.axes.xaxis, panel.shown.columns.astype(str))
        name_cells(image.axes.yaxis, rows_of_epoch["image"].to_numpy().astype(str))
        if image_order != "random":
            order = image_order if number == 0 else None
            _border(image.axes, rows_of_epoch[image_order].to_numpy(), order, classes)
    _write_titles(ax, [image.axes for image in drawn], panels, said(runs, name), letters=letters)
    return ax


#: Largest number of class names beside a panel.
_MOST_NAMES = 16
#: What the colours of each side are.
_QUANTITIES = {"before": "pooled feature", "after": "gate"}
#: Number of letters of a stripe index that are not seen: those that set it as a formula.
_MARKUP = 7


class _Panel(NamedTuple):
    """One picture: which side it shows, all values, which of them are shown, and of which run."""

    side: str
    matrix: np.ndarray
    shown: View
    run: NamedRun


def _border(ax: Axes, rows: np.ndarray, order: str | None, classes: Sequence[str]) -> None:
    """Draw a line between classes and, with `order`, name them in place of the rows."""
    named = [_class_name(value, classes) for value in rows]
    starts = [row for row in range(len(named)) if row == 0 or named[row] != named[row - 1]]
    for row in starts[1:]:
        ax.axhline(row - 0.5, color="white", linewidth=0.6)
    if order is not None:
        ends = [*starts[1:], len(named)]
        centres = [(start + end - 1) / 2 for start, end in zip(starts, ends, strict=True)]
        if len(starts) <= _MOST_NAMES:
            places, shown = _apart(centres, len(named) / _MOST_NAMES, len(named) - 1.0), starts
        else:  # every n-th class
            every = -(-len(starts) // _MOST_NAMES)
            places, shown = centres[::every], starts[::every]
        ax.set_yticks(places, [named[start] for start in shown])
        ax.tick_params(axis="y", length=0)  # a name may stand beside the middle of its class
        ax.set_ylabel(f"{order} of {ax.get_ylabel()}")


def _apart(places: Sequence[float], least: float, end: float) -> list[float]:
    """Return ascending places, moved to be at least `least` apart and at most `end`.

    >>> _apart([1.0, 2.0, 9.0], 2.0, 9.0)
    [1.0, 3.0, 9.0]
    """
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + least) if moved else place)
    for n in range(len(moved) - 1, -1, -1):
        moved[n] = min(moved[n], end - (len(moved) - 1 - n) * least)
    return moved


def _class_name(value: Any, classes: Sequence[str]) -> str:
    """Return the name of a class, or its number where no name is known."""
    if value is pd.NA:
        return "none"
    return literal(classes[value]) if 0 <= value < len(classes) else str(value)


def _sides(run: NamedRun, gate: str, side: Side) -> dict[str, np.ndarray]:
    """Return the values of each side that is shown."""
    sides = {}
    if side != "after":
        sides["before"] = run.recording.inputs(gate, run.epoch)
    if side != "before":
        sides["after"] = run.recording.values(gate, run.epoch)
    return sides


def _colour_labels(panels: Sequence[_Panel], scale: ColourScale) -> list[str]:
    """Return the quantity of each panel or, for one scale, of all."""
    labels = [_QUANTITIES[panel.side] for panel in panels]
    if scale == "own":
        return labels
    return [labels[0] if len(set(labels)) == 1 else "value"]


def _write_titles(
    ax: Axes, places: Sequence[Axes], panels: Sequence[_Panel], heading: str, *, letters: bool
) -> None:
    """Write run, gate and epoch above all panels, and run, side and stripe index above each.

    A panel alone has one line if it fits, and a panel among several too.
    """
    runs = len({panel.run for panel in panels})
    indices = [f"{panel.side}, {_index(panel.matrix)}" for panel in panels]
    size = plt.rcParams["axes.labelsize"]
    if len(panels) == 1:
        fits = len(heading) + len(indices[0]) - _MARKUP <= letters_in(ax)
        name_above(ax, heading + (", " if fits else "\n") + indices[0])
        return
    room = int(1.1 * letters_in(ax)) // len(panels) - 2 * letters  # a title may reach over its bar
    names = [quoted(panel.run.name) if runs > 1 else "" for panel in panels]
    longest = max(len(f"{n}, {i}") for n, i in zip(names, indices, strict=True)) - _MARKUP
    join = ", " if longest <= room else "\n"
    titles = [(n + join) * (runs > 1) + i for n, i in zip(names, indices, strict=True)]
    titles = [wrapped(title, room) for title in titles]
    for place, title in zip(places, lettered(titles) if letters else titles, strict=True):
        place.set_title(title, loc="left", fontsize=size)
    name_above(ax, heading, below=max(title.count("\n") for title in titles) + 1)


@unwarned
def _index(values: np.ndarray) -> str:
    exact = values.astype(np.float64)
    eta2, *_, constant = index_row(exact.mean(axis=0), exact.std(axis=0), len(exact))
    if np.isnan(eta2):
        why = "one image" if len(exact) == 1 else "values are not finite"
        return rf"no $\eta^2$: {why}"
    number = index_text(eta2)
    equation = rf"$\eta^2$ {number}" if number.startswith(">") else rf"$\eta^2$ = {number}"
    equation = equation.replace(" ", "\N{NO-BREAK SPACE}")  # a line does not end within it
    return equation + (" (one value)" if constant else "")
