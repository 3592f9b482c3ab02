"""How a gate settles: channels x epochs, for a few images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new, heat_maps
from stripe.plots.choose import chosen_gate, generator, of, sample
from stripe.recording import Recorded, Recording, open_recording
from stripe.stats import common_images
from stripe.stats import epoch_difference as difference


def epoch_difference(
    data: Recorded,
    *,
    gate: str | None = None,
    images: int | Sequence[int] = 3,
    channels: int = 20,
    seed: int = 0,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw `|v(t) - v(t - 1)|` of a gate over epochs t; zero is black.

    Parameters
    ----------
    data
        A recording of at least two epochs.
    gate
        Which gate; by default the deepest.
    images
        Number of images, drawn at random, or their indices; one panel each.
    channels
        Number of channels, drawn at random, the same in every panel.
    seed
        Of these choices.
    ax
        Axes to draw on; by default new ones. With several images, the panels are its
        `child_axes`.
    **kwargs
        For `Axes.imshow`: `cmap`, `vmax` and so on.

    Returns
    -------
    Axes
        `ax`. Every panel shows an array (channels, epochs - 1) from a shared scale that begins at
        zero; the step to epoch t stands at t.

    Raises
    ------
    RecordingError
        If there are fewer than two epochs, or an image is not in all of them.
    UnknownNameError
        If there is no such gate.

    Notes
    -----
    The scale ends at the largest step shown, as a rule the first: later steps look black by
    comparison. Give `vmax` to look at them.

    References
    ----------
    Figure 2c; Figures 11 to 18.

    Examples
    --------
    >>> ax = stripe.plots.epoch_difference(recording, images=3)
    """
    data = open_recording(data)
    name = chosen_gate(data, gate)
    rng = generator(seed)
    chosen = _chosen_images(data, images, rng)
    steps = difference(data, name, images=chosen)  # (image, epoch, channel)
    columns = sample(steps.shape[2], channels, rng)
    ax = axes_or_new(ax)
    drawn = heat_maps(
        ax,
        [step[:, columns].T for step in steps],
        titles=[f"image {index}" for index in chosen],
        xlabel="epoch",
        ylabel=of(len(columns), steps.shape[2], "channel"),
        colour_label=r"$|v^{t} - v^{t-1}|$",
        **{"cmap": "magma", "vmin": 0, **kwargs},
    )
    labels = {float(place): str(epoch) for place, epoch in enumerate(data.epochs[1:])}
    for image in drawn:
        image.axes.xaxis.set_major_formatter(lambda place, _: labels.get(place, ""))
    return ax


def _chosen_images(
    data: Recording, images: int | Sequence[int], rng: np.random.Generator
) -> list[int]:
    if isinstance(images, int | np.integer):
        recorded = common_images(data)
        return [int(index) for index in recorded[sample(len(recorded), int(images), rng)]]
    return list(images)
