"""Spatial attention maps of images, from block to block."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from stripe.errors import RecordingError, StripeError
from stripe.plots.axes import axes_or_new
from stripe.plots.choose import chosen_epoch, generator, sample
from stripe.recording import Recorded, Recording, open_recording
from stripe.stats import eta2_of


def spatial_attention(
    data: Recorded,
    *,
    gates: Sequence[str] | None = None,
    images: int = 4,
    epoch: int | None = None,
    seed: int = 0,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the spatial attention of a few images in every block.

    Parameters
    ----------
    data
        A recording with spatial maps (`spatial=True`).
    gates
        Names of the maps; by default up to six, evenly from the first block to the last.
    images
        How many images, drawn at random.
    epoch
        Which epoch; by default the last.
    seed
        Seed of the random choice of images.
    ax
        Axes to draw in; by default new ones.
    **kwargs
        For `Axes.imshow` of each map.

    Returns
    -------
    Axes
        `ax`, whose children are the panels: a row per image, a column per block.

    Raises
    ------
    RecordingError
        If no spatial maps were recorded.

    Notes
    -----
    Under each column stand the range of its colours, the stripe index (eta2) of the map over all
    images, and that of the channel gate of the same block where it was recorded. All panels of a
    column share one colour scale; columns do not, since blocks differ in range.

    References
    ----------
    Section 6 (4), Figure 29.

    Examples
    --------
    >>> cbam = stripe.build("resnet8_basic", attention="cbam", num_classes=10, in_channels=1)
    >>> maps = stripe.record(cbam, loader, "runs/cbam", spatial=True, progress=False)
    >>> ax = stripe.plots.spatial_attention(maps, images=2)
    """
    data = open_recording(data)
    maps = [gate.name for gate in data.header.gates if gate.kind == "spatial"]
    if not maps:
        raise RecordingError(
            f"{data.path} holds no spatial maps; record with "
            "spatial=True, or stripe record --spatial"
        )
    if gates is not None and (isinstance(gates, str) or not gates):
        raise StripeError(f"gates must be a list of names, at least one, got {gates!r}")
    if gates is None:
        shown = np.unique(np.linspace(0, len(maps) - 1, min(6, len(maps))).round().astype(int))
        gates = [maps[number] for number in shown]
    number = chosen_epoch(data, epoch)
    blocks = [data.spatial(gate, number) for gate in gates]
    chosen = sample(len(blocks[0]), images, generator(seed))
    ids = data.rows(number)["image"].to_numpy()[chosen]
    ax = axes_or_new(ax, height=0.55 * len(chosen) + 0.3)
    ax.set_axis_off()
    width, height = 1 / len(gates), 1 / len(chosen)
    for column, (gate, block) in enumerate(zip(gates, blocks, strict=True)):
        limits = {"vmin": np.nanmin(block[chosen]), "vmax": np.nanmax(block[chosen])}
        for row, (image, name) in enumerate(zip(chosen, ids, strict=True)):
            place = (column * width, 1 - (row + 1) * height, 0.92 * width, 0.92 * height)
            panel = ax.inset_axes(place)
            panel.imshow(block[image], **{"cmap": "viridis", **limits, **kwargs})
            panel.set(xticks=[], yticks=[])
            if row == 0:
                panel.set_title(_short(gate))
            if column == 0:
                panel.set_ylabel(f"image\n{name}")
            if row == len(chosen) - 1:
                scale = f"{limits['vmin']:.2f}\N{EN DASH}{limits['vmax']:.2f}"
                panel.set_xlabel(f"{scale}\n{_index(data, gate, number)}", fontsize="small")
    return ax


def _index(data: Recording, gate: str, epoch: int) -> str:
    """Write the stripe index of a map, and of the channel gates of the same owner."""
    maps = data.spatial(gate, epoch)
    owner = data.gate(gate).owner
    beside = [other.name for other in data.header.channel_gates if other.owner == owner]
    lines = [f"map {eta2_of(maps.reshape(len(maps), -1)):.2f}"]
    lines += [f"gate {eta2_of(data.values(name, epoch)):.2f}" for name in beside]
    return "\n".join(lines)


def _short(gate: str) -> str:
    """Return the part of a name that tells blocks apart: its first two components."""
    return ".".join(gate.split(".")[:2])
