"""Figure 2 in one picture: stripes, spread and settling of one gate."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new, letter, name_above
from stripe.plots.channel_std import channel_std
from stripe.plots.choose import Choice, Side, chosen_gate, view
from stripe.plots.epoch_difference import epoch_difference, in_all_epochs
from stripe.plots.heat_maps import MOST_PANELS
from stripe.plots.stripes import stripes
from stripe.recording import Recorded
from stripe.recording.runs import NamedRun, open_runs
from stripe.recording.same_images import unlike
from stripe.typed import typed

#: Left, bottom, width and height of the three rows, as shares of the axes.
_STRIPES, _SPREAD, _DIFFERENCE = (0, 0.72, 1, 0.28), (0, 0.365, 1, 0.16), (0, 0, 1, 0.225)
#: Number of images whose steps are shown, as in the paper.
_FOLLOWED = 3


@typed
def overview(
    data: Recorded | Sequence[Recorded],
    *,
    names: Sequence[str] | None = None,
    gate: str | None = None,
    epoch: int | Sequence[int] | None = None,
    side: Side = "both",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the stripes of a gate, the spread of its channels, and its change over epochs.

    Parameters
    ----------
    data, names, gate, epoch, side
        As for `stripe.plots.stripes`.
    ax
        Axes to draw on. Default: new Axes.
    **kwargs
        Other parameters of `stripe.plots.stripes`: `n_images`, `channels`, `image_order`,
        `channel_order`, `classes`, `seed`, `scale`, and those of `Axes.imshow`.

    Returns
    -------
    Axes
        `ax`, with `stripes`, `channel_std` and `epoch_difference` as its three `child_axes`.
        `epoch_difference` shows at most three images: the first images of `stripes` that are in all
        epochs. A note replaces it if there is only one epoch, if several recordings are not known
        to hold the same images, or if no image is in all epochs.

    Raises
    ------
    RecordingError, UnknownNameError
        As for `stripe.plots.stripes`.

    References
    ----------
    Figure 2.

    Examples
    --------
    >>> ax = stripe.plots.overview(recording, n_images=4)
    """
    runs = open_runs(data, names=names, epoch=epoch)
    gate = chosen_gate(runs[0].recording, gate)
    choice = Choice.among(kwargs)
    ax = axes_or_new(ax, height=5.4, panels=len(runs) * (2 if side == "both" else 1))
    ax.set_axis_off()
    places = (ax.inset_axes(place) for place in (_STRIPES, _SPREAD, _DIFFERENCE))
    top, middle, bottom = (
        _lettered(place, part) for place, part in zip(places, "abc", strict=True)
    )
    names = [run.name for run in runs]
    shown: Any = {"names": names, "gate": gate, "epoch": [run.epoch for run in runs], "side": side}
    recordings = [run.recording for run in runs]
    stripes(recordings, ax=top, letters=False, **shown, **kwargs)
    channel_std(recordings, ax=middle, **shown)
    _draw_steps(runs, gate, choice, bottom)
    middle.set_ylabel("share of\nchannels")
    for below in (middle, bottom):  # what they show is said at the top
        name_above(below, "")
    return ax


def _lettered(ax: Axes, part: str) -> Axes:
    letter(ax, part)
    return ax


def _draw_steps(runs: list[NamedRun], gate: str, choice: Choice, ax: Axes) -> None:
    """Draw how the images of the stripes settled in every run, or a remark."""
    different = list({run.recording.path: run for run in runs}.values())
    remark = ""
    if any(len(run.recording.epochs) < 2 for run in different):
        remark = "one epoch: no difference"
    elif any(unlike(runs[0], run) for run in different):
        remark = "not known to be the same images:\nno differences side by side"
    elif not (everywhere := set(in_all_epochs([run.recording for run in different]).tolist())):
        remark = "no image is in all epochs of all runs"
    if remark:
        ax.set_axis_off()
        ax.text(0.5, 0.5, remark, ha="center", va="center")
        return
    shown = view(runs[0].recording, gate, runs[0].epoch, choice)
    ids = runs[0].recording.rows(runs[0].epoch)["image"].to_numpy()[shown.rows]
    most = max(1, min(_FOLLOWED, MOST_PANELS // len(different)))
    followed = [int(image) for image in ids if image in everywhere][:most]
    names = None if len(different) < len(runs) else [run.name for run in runs]
    epoch_difference(
        [run.recording for run in different],
        names=names,
        gate=gate,
        n_images=most,
        image_ids=followed or None,
        seed=choice.seed,
        ax=ax,
    )
