"""Spatial attention maps of images, from block to block (Figure 29)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from stripe.errors import RecordingError, StripeError
from stripe.plots.axes import COLUMN_WIDTH, axes_or_new, name_above
from stripe.plots.choose import generator, said, sample_positions
from stripe.plots.heat_maps import colour_range
from stripe.plots.literal import literal, quoted, shown_runs
from stripe.recording import Recorded
from stripe.recording.runs import NamedRun
from stripe.recording.same_images import check_same_images
from stripe.select import Selection, select
from stripe.stats import eta2_of
from stripe.stats.stripe_index import index_text
from stripe.typed import typed

#: What stands below the columns, beside the lines of `_below`.
_HEADS = "colours\n" + r"$\eta^2$ of"
#: Inches: the largest side of a panel, the width of all of them, and the text around them.
_SIDE, _INSIDE, _AROUND = 0.62, 0.9 * COLUMN_WIDTH, 0.85
#: Images by index, each (H, W, 3) or (H, W), as bytes or floats from 0 to 1.
PictureSet = Mapping[int, np.ndarray] | Sequence[np.ndarray] | np.ndarray


@typed
def spatial_attention(
    data: Recorded | Sequence[Recorded],
    *,
    names: Sequence[str] | None = None,
    gates: Selection | None = None,
    n_images: int = 4,
    epoch: int | Sequence[int] | None = None,
    pictures: PictureSet | None = None,
    seed: int = 0,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the spatial attention maps of a few images in each block.

    Parameters
    ----------
    data
        A recording with spatial maps (`spatial=True`), or several recordings of the same images.
        Each recording has its own rows.
    names
        Name of each recording. Default: the parts of their paths that differ.
    gates
        Maps: "all", names, a pattern such as "layer3.*", a list of both, or a predicate of `Gate`.
        Default: up to six maps, evenly spaced from the first block to the last.
    n_images
        Number of images, chosen at random.
    epoch
        Epoch for all recordings, or one for each. Default: the last of each.
    pictures
        Images to draw in the first column: an array, a sequence or a mapping whose entry at the
        recorded index of an image is the image, (H, W, 3) or (H, W), as bytes or floats from 0 to
        1. Default: none.
    seed
        Seed of the random choice of images.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Passed to `Axes.imshow` for each map.

    Returns
    -------
    Axes
        `ax`, with the panels as its `child_axes`: a row per image and recording, and a column per
        map.

    Raises
    ------
    RecordingError
        If the epoch or spatial maps were not recorded, several recordings are not known to hold the
        same images, a recording lacks an image, two names are equal, or there is not one name or
        epoch per recording.
    UnknownNameError
        If a recording has no such map.
    StripeError
        If `n_images` is below 1, or `gates` is empty.

    Notes
    -----
    The text below each column gives the range of its colours and the stripe index (eta2) of the map
    over all images. If the channel gate of the same block was recorded, the text also gives the
    stripe index of this gate. The panels of a column share one colour scale. Columns have different
    scales, because the ranges of the blocks differ.

    References
    ----------
    Section 6 (4), Figure 29.

    Examples
    --------
    >>> cbam = stripe.build("resnet8_basic", attention="cbam", num_classes=10, in_channels=1)
    >>> maps = stripe.record(cbam, loader, "runs/cbam", spatial=True, progress=False)
    >>> ax = stripe.plots.spatial_attention(maps, n_images=2)
    """
    runs = shown_runs(data, names=names, epoch=epoch)
    check_same_images(runs)
    gates = _chosen_maps(runs[0], gates)
    count = len(runs[0].recording.rows(runs[0].epoch))
    chosen = sample_positions(count, n_images, generator(seed))
    ids = runs[0].recording.rows(runs[0].epoch)["image"].to_numpy()[chosen].tolist()
    rows = [(run, image) for image in ids for run in runs]
    columns = len(gates) + (pictures is not None)
    side = min(_SIDE, _INSIDE / columns)
    width, height = side / _INSIDE if ax is None else 1 / columns, 1 / len(rows)
    ax = axes_or_new(ax, height=side * len(rows) + _AROUND)
    ax.set_axis_off()
    begin = (1 - columns * width) / 2
    shown = (
        []
        if pictures is None
        else _draw_pictures(ax, pictures, ids, (begin, width, len(runs) * height))
    )
    for column, gate in enumerate(gates):
        maps = [_map_of(run, gate, image) for run, image in rows]
        limits = colour_range(np.concatenate([np.ravel(block) for block in maps]))
        for row, ((run, image), block) in enumerate(zip(rows, maps, strict=True)):
            left = begin + (column + (pictures is not None)) * width
            panel = ax.inset_axes((left, 1 - (row + 1) * height, 0.94 * width, 0.94 * height))
            panel.imshow(block, **{"cmap": "viridis", **limits, **kwargs})
            panel.set(xticks=[], yticks=[])
            if row == 0:
                panel.set_title(literal(_short(gate)))
            if column == 0:
                label = f"{quoted(run.name)}\n" * (len(runs) > 1) + f"image\n{image}"
                (shown[row // len(runs)] if shown else panel).set_ylabel(label)
            if row == len(rows) - 1:
                panel.set_xlabel(_below(runs, gate, limits), fontsize="small")
    lowest: Any = ax.child_axes[len(shown) + len(rows) - 1]  # of the first column of maps
    lowest.annotate(
        _HEADS,
        **{"xy": (0, 0), "xycoords": "axes fraction", "xytext": (-4, -4), "ha": "right"},
        **{"textcoords": "offset points", "va": "top", "fontsize": "small"},
    )
    name_above(ax, said(runs), below=1)
    return ax


def _chosen_maps(run: NamedRun, gates: Selection | None) -> Sequence[str]:
    """Return the maps that are asked for, or up to six, evenly from the first block to the last."""
    maps = {gate.name: gate for gate in run.recording.header.gates if gate.kind == "spatial"}
    if not maps:
        raise RecordingError(
            f"{run.recording.path} holds no spatial maps; record with "
            "spatial=True, or stripe record --spatial"
        )
    if gates is not None:
        if chosen := select(maps, gates, kind="spatial map", owner=str(run.recording.path)):
            return chosen
        raise StripeError("gates must name at least one map, got none; name one, or leave it out")
    shown = np.unique(np.linspace(0, len(maps) - 1, min(6, len(maps))).round().astype(int))
    return [list(maps)[number] for number in shown]


def _map_of(run: NamedRun, gate: str, image: int) -> np.ndarray:
    """Return the map of an image, which every run must have."""
    images = run.recording.rows(run.epoch)["image"].to_numpy()
    if not len(found := np.flatnonzero(images == image)):
        raise RecordingError(
            f"every recording must hold the images that are shown, and {run.recording.path} lacks "
            f"image {image}"
        )
    block: np.ndarray = run.recording.spatial(gate, run.epoch)[found[0]]
    return block


def _draw_pictures(
    ax: Axes, pictures: PictureSet, ids: Sequence[int], place: tuple[float, float, float]
) -> list[Axes]:
    """Draw the images themselves, in a column that begins at a place and has width and height."""
    left, width, height = place
    panels = []
    for row, image in enumerate(ids):
        panel = ax.inset_axes((left, 1 - (row + 1) * height, 0.94 * width, 0.94 * height))
        panel.imshow(pictures[image], cmap="gray")
        panel.set(xticks=[], yticks=[])
        if row == 0:
            panel.set_title("image")
        panels.append(panel)
    return panels


def _below(runs: Sequence[NamedRun], gate: str, limits: dict[str, float]) -> str:
    """Write the range of the colours and, of one run, the stripe indices of map and gate."""
    lines = [f"{limits['vmin']:.2f}\N{EN DASH}{limits['vmax']:.2f}"]
    for run in runs:
        prefix = f"{quoted(run.name)} " if len(runs) > 1 else ""
        maps = run.recording.spatial(gate, run.epoch)
        owner = run.recording.gate(gate).owner
        gates = run.recording.header.channel_gates
        lines.append(f"{prefix}map {index_text(eta2_of(maps.reshape(len(maps), -1)))}")
        lines += [
            f"{prefix}gate {index_text(eta2_of(run.recording.values(other.name, run.epoch)))}"
            for other in gates
            if other.owner == owner
        ]
    return "\n".join(lines)


def _short(gate: str) -> str:
    """Return the part of a name that tells blocks apart: its first two components."""
    return ".".join(gate.split(".")[:2])
