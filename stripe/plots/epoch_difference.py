"""The change of a gate between epochs: channels x epochs, for a few images (Figure 2c)."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from jaxtyping import Int64
from matplotlib.axes import Axes

from stripe.errors import RecordingError
from stripe.plots.axes import axes_or_new, name_above
from stripe.plots.choose import chosen_gate, generator, of, sample_positions
from stripe.plots.heat_maps import heat_maps, lines_above
from stripe.plots.literal import literal, quoted, shown_runs
from stripe.plots.ticks import name_cells
from stripe.recording import Recorded, Recording
from stripe.recording.same_images import check_same_images
from stripe.stats import common_images
from stripe.stats import epoch_difference as difference
from stripe.typed import typed


@typed
def epoch_difference(
    data: Recorded | Sequence[Recorded],
    *,
    names: Sequence[str] | None = None,
    gate: str | None = None,
    n_images: int = 3,
    image_ids: Sequence[int] | None = None,
    channels: int = 20,
    seed: int = 0,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw `|v(t) - v(t - 1)|` of a gate over epochs t; zero is black.

    Parameters
    ----------
    data
        A recording of at least two epochs, or several; their panels are drawn side by side.
    names
        Name of each recording. Default: the parts of their paths that differ.
    gate
        Name of the gate. Default: the deepest gate.
    n_images
        Number of images, chosen at random. Each image has a panel.
    image_ids
        The images to show, by their index in the data set, instead of a random choice.
    channels
        Number of channels, chosen at random, the same in every panel.
    seed
        Seed of the random choices.
    ax
        Axes to draw on. Default: new Axes. If there are several panels, they are its `child_axes`.
    **kwargs
        Passed to `Axes.imshow`: `cmap`, `vmax` and so on.

    Returns
    -------
    Axes
        `ax`. Each panel shows an array (channels, epochs - 1), with the channels in ascending order
        of the numbers at the axis. All panels share one colour scale, which starts at zero. The
        step to epoch t is drawn at t.

    Raises
    ------
    RecordingError
        As for `stripe.stats.epoch_difference`; also if several recordings are not known to hold the
        same images, two names are equal, or there is not one name per recording.
    UnknownNameError
        If a recording has no such gate.
    StripeError
        If `n_images` or `channels` is below 1, or there are more than 8 panels.

    Notes
    -----
    The scale ends at the largest step shown, which is usually the first one, so later steps look
    black. Set `vmax` to see them.

    References
    ----------
    Figure 2c; Figures 11 to 18.

    Examples
    --------
    >>> ax = stripe.plots.epoch_difference(recording, n_images=3)
    """
    runs = shown_runs(data, names=names)
    check_same_images(runs)
    name = chosen_gate(runs[0].recording, gate)
    rng = generator(seed)
    chosen = image_ids
    if chosen is None:
        recorded = in_all_epochs([run.recording for run in runs])
        if not recorded.size:
            raise RecordingError(
                "the recordings must have an image in all of their epochs, and have none; draw "
                "each alone"
            )
        chosen = recorded[sample_positions(len(recorded), n_images, rng)].tolist()
    # (image, epoch, channel)
    steps = [difference(run.recording, name, image_ids=chosen) for run in runs]
    shown = {}  # runs with as many channels show the same ones
    for total in dict.fromkeys(step.shape[2] for step in steps):
        shown[total] = np.sort(sample_positions(total, channels, rng))
    columns = [shown[step.shape[2]] for step in steps]
    ax = axes_or_new(ax, panels=len(runs) * len(chosen) * 2 // 3)
    prefixes = [f"{quoted(run.name)}\n" * (len(runs) > 1) for run in runs]
    titles = [f"{prefix}image {index}" for prefix in prefixes for index in chosen]
    heading = f"{quoted(runs[0].name)}, " * (len(runs) == 1) + literal(name)
    drawn = heat_maps(
        ax,
        [step[:, own].T for of_run, own in zip(steps, columns, strict=True) for step in of_run],
        titles=titles if len(titles) > 1 else [f"{heading}\n{titles[0]}"],
        xlabel="epoch",
        ylabel=of(len(columns[0]), steps[0].shape[2], "channel")
        if len(shown) == 1
        else "channel (each run has its own)",
        colour_label=r"$|v^{t} - v^{t-1}|$",
        **{"cmap": "magma", "vmin": 0, **kwargs},
    )
    named = [
        (run.recording.epochs[1:], own)
        for run, own in zip(runs, columns, strict=True)
        for _ in chosen
    ]
    for image, (epochs, own) in zip(drawn, named, strict=True):
        name_cells(image.axes.xaxis, [str(epoch) for epoch in epochs])
        name_cells(image.axes.yaxis, own.astype(str))
    if len(titles) > 1:
        name_above(ax, heading, below=lines_above(drawn))
    return ax


def in_all_epochs(recordings: Sequence[Recording]) -> Int64[np.ndarray, " image"]:
    """Return the images that every epoch of every recording has, ascending."""
    return reduce(np.intersect1d, [common_images(recording) for recording in recordings])
