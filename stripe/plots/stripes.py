"""The Stripe Observation as a picture: images x channels, before and after attention."""

from typing import Any, get_args

import numpy as np
from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new, heat_maps
from stripe.plots.choose import (
    ChannelOrder,
    ImageOrder,
    Scale,
    Side,
    chosen_epoch,
    chosen_gate,
    of,
    one_of,
    view,
)
from stripe.recording import Recorded, open_recording
from stripe.stats.stripe_index import index_row


def stripes(
    data: Recorded,
    *,
    gate: str | None = None,
    epoch: int | None = None,
    images: int = 20,
    channels: int = 60,
    image_order: ImageOrder = "random",
    channel_order: ChannelOrder = "random",
    seed: int = 0,
    side: Side = "both",
    scale: Scale = "own",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the features before, and the gate after, an attention module as heat maps.

    Parameters
    ----------
    data
        A recording.
    gate
        Which gate; by default the deepest.
    epoch
        Which epoch; by default the last.
    images, channels
        How many of each, drawn at random.
    image_order
        "random", or by "label" or "prediction".
    channel_order
        "random", or by "mean" or "spread" (standard deviation) over all images, ascending.
    seed
        Of that choice.
    side
        "before": the global average of what the gate multiplies; "after": the gate; or both.
    scale
        "own": each panel has a colour scale and a colour bar of its own; "shared": both panels have
        the same.
    ax
        Axes to draw on; by default new ones. With both sides, the two panels are its
        `child_axes`.
    **kwargs
        For `Axes.imshow`: `cmap`, `vmin`, `vmax` and so on.

    Returns
    -------
    Axes
        `ax`. Every panel shows an array (images, channels); its title ends with the stripe index
        (eta2) of all images and channels of the epoch.

    Raises
    ------
    RecordingError
        If the epoch or, for "before", the pooled inputs, or the labels or predictions of an order
        were not recorded.
    UnknownNameError
        If there is no such gate.

    Notes
    -----
    Both scales can mislead. Features and gates have different ranges by nature: a gate that ends in
    a sigmoid lies in (0, 1). On a shared scale it looks flat beside features of a wider range, and
    so like a stripe, however much it depends on the image. On its own scale a gate whose values
    hardly differ looks as varied as one whose values differ much: read the numbers at the bar. A
    scale spans all values shown, so one outlier makes the others look alike; give `vmin` and `vmax`
    to look at them. The stripe index does not depend on the scale.

    References
    ----------
    Figure 2a; Figures 22 to 28.

    Examples
    --------
    >>> ax = stripe.plots.stripes(recording, image_order="label", channel_order="mean")
    """
    data = open_recording(data)
    one_of("side", side, get_args(Side))
    name, number = chosen_gate(data, gate), chosen_epoch(data, epoch)
    sides = {}
    if side != "after":
        sides["before: features"] = data.inputs(name, number)
    if side != "before":
        sides["after: gate"] = data.values(name, number)
    shown = view(
        data,
        name,
        number,
        images=images,
        channels=channels,
        image_order=image_order,
        channel_order=channel_order,
        seed=seed,
    )
    one_of("scale", scale, get_args(Scale))
    total_images, total_channels = next(iter(sides.values())).shape
    ax = axes_or_new(ax)
    heat_maps(
        ax,
        [values[np.ix_(*shown)] for values in sides.values()],
        titles=[f"{side}\n{_index(values)}" for side, values in sides.items()],
        xlabel=of(len(shown.columns), total_channels, "channel"),
        ylabel=of(len(shown.rows), total_images, "image"),
        colour_label="value",
        scale=scale,
        **{"cmap": "viridis", **kwargs},
    )
    return ax


def _index(values: np.ndarray) -> str:
    exact = values.astype(np.float64)
    eta2, *_, constant = index_row(exact.mean(axis=0), exact.std(axis=0))
    return r"$\eta^2$ = " + f"{eta2:.2f}" + (" (one value)" if constant else "")
