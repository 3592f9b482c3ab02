"""Figure 2 in one picture: stripes, spread and settling of one gate."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from stripe.plots.axes import axes_or_new, letter, letters_in, name_above, wrapped
from stripe.plots.channel_std import channel_std
from stripe.plots.choose import Choice, Side, chosen_gate, view
from stripe.plots.epoch_difference import epoch_difference, in_all_epochs
from stripe.plots.heat_maps import MOST_PANELS
from stripe.plots.stripes import stripes
from stripe.recording import Recorded
from stripe.recording.runs import NamedRun, open_runs
from stripe.recording.same_images import unlike
from stripe.typed import typed

#: Height in inches, and bottom and top of the three rows as shares of the axes.
_HEIGHT, _ROWS = 5.4, ((0.72, 1), (0.365, 0.525), (0, 0.225))
#: Part of the height that is left out where a remark replaces the lowest row.
_CUT = 0.22
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
        `epoch_difference` shows the first images of `stripes` that are in all epochs or, if there
        are none, random images. It shows at most three images, and fewer if there would be more
        than 8 panels. If a recording has only one epoch, several recordings are not known to hold
        the same images, or no image is in all epochs, a note replaces `epoch_difference`, and a new
        figure is shorter.

    Raises
    ------
    RecordingError, UnknownNameError, StripeError
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
    remark = _why_no_steps(runs)
    cut = _CUT if remark else 0
    panels = len(runs) * (2 if side == "both" else 1)
    ax = axes_or_new(ax, height=(1 - cut) * _HEIGHT, panels=panels)
    ax.set_axis_off()
    shares = [[max(0, end - cut) / (1 - cut) for end in row] for row in _ROWS]
    places = (ax.inset_axes((0, low, 1, high - low)) for low, high in shares)
    top, middle, bottom = (
        _lettered(place, part) for place, part in zip(places, "abc", strict=True)
    )
    names = [run.name for run in runs]
    shown: Any = {"names": names, "gate": gate, "epoch": [run.epoch for run in runs], "side": side}
    recordings = [run.recording for run in runs]
    stripes(recordings, ax=top, letters=False, **shown, **kwargs)
    channel_std(recordings, ax=middle, **shown)
    if remark:
        bottom.set_axis_off()
        bottom.text(0, 0.5, wrapped(remark, letters_in(bottom)), va="center")
    else:
        _draw_steps(runs, gate, choice, bottom)
    middle.set_ylabel("share of\nchannels")
    for below in (middle, bottom):  # what they show is said at the top
        name_above(below, "")
    return ax


def _lettered(ax: Axes, part: str) -> Axes:
    letter(ax, part)
    return ax


def _different(runs: list[NamedRun]) -> list[NamedRun]:
    """Return one run of each recording."""
    return list({run.recording.path: run for run in runs}.values())


def _why_no_steps(runs: list[NamedRun]) -> str:
    """Return why the changes over epochs of the runs cannot be drawn; empty if they can."""
    different, why = _different(runs), ""
    if any(len(run.recording.epochs) < 2 for run in different):
        why = "only one epoch is recorded"
    elif any(unlike(runs[0], run) for run in different):
        why = "the runs are not known to hold the same images"
    elif not in_all_epochs([run.recording for run in different]).size:
        why = "no image is in all epochs of all runs"
    return why and f"changes over epochs cannot be drawn: {why}"


def _draw_steps(runs: list[NamedRun], gate: str, choice: Choice, ax: Axes) -> None:
    """Draw how the images of the stripes settled in every run."""
    different = _different(runs)
    everywhere = set(in_all_epochs([run.recording for run in different]).tolist())
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
