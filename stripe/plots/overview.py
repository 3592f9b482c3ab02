"""Figure 2 at one glance: stripes, spread and settling of one gate."""

from typing import Any

from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new
from stripe.plots.channel_std import channel_std
from stripe.plots.choose import (
    ChannelOrder,
    ImageOrder,
    Scale,
    Side,
    chosen_epoch,
    chosen_gate,
    view,
)
from stripe.plots.epoch_difference import epoch_difference
from stripe.plots.stripes import stripes
from stripe.recording import Recorded, open_recording
from stripe.stats import common_images

#: Left, bottom, width and height of the three rows, as shares of the axes.
_STRIPES, _SPREAD, _DIFFERENCE = (0, 0.72, 1, 0.28), (0, 0.365, 1, 0.16), (0, 0, 1, 0.225)
#: Images whose steps are shown, as in the paper.
_FOLLOWED = 3


def overview(
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
    """Draw the stripes of a gate, the spread of its channels, and how the gates of images settled.

    Parameters
    ----------
    data, gate, epoch, images, channels, image_order, channel_order, seed, side, scale
        As for `stripe.plots.stripes`.
    ax
        Axes to draw in; by default new ones.
    **kwargs
        For the `Axes.imshow` of the stripes.

    Returns
    -------
    Axes
        `ax`, whose three `child_axes` hold `stripes`, `channel_std` and `epoch_difference`: the
        last of the first three images that the stripes show and that every epoch has, or a remark
        where there is one epoch alone.

    Raises
    ------
    RecordingError, UnknownNameError
        As for `stripe.plots.stripes`.

    References
    ----------
    Figure 2.

    Examples
    --------
    >>> ax = stripe.plots.overview(recording)
    """
    data = open_recording(data)
    gate, epoch = chosen_gate(data, gate), chosen_epoch(data, epoch)
    choice = {
        "images": images,
        "channels": channels,
        "image_order": image_order,
        "channel_order": channel_order,
        "seed": seed,
    }
    ax = axes_or_new(ax, height=5.4)
    ax.set_axis_off()
    top, middle, bottom = (ax.inset_axes(place) for place in (_STRIPES, _SPREAD, _DIFFERENCE))
    stripes(data, gate=gate, epoch=epoch, side=side, scale=scale, ax=top, **choice, **kwargs)  # type: ignore[arg-type]
    channel_std(data, gate=gate, epoch=epoch, side=side, ax=middle)
    if len(data.epochs) < 2:
        bottom.set_axis_off()
        bottom.text(0.5, 0.5, "one epoch: no difference", ha="center", va="center")
        return ax
    shown = view(data, gate, epoch, **choice)  # type: ignore[arg-type]
    everywhere = set(common_images(data))
    ids = data.rows(epoch)["image"].to_numpy()[shown.rows]
    followed = [int(image) for image in ids if image in everywhere][:_FOLLOWED]
    epoch_difference(data, gate=gate, images=followed or _FOLLOWED, seed=seed, ax=bottom)
    return ax
