"""Commands that draw a statistic of each gate of recordings."""

from stripe.cli.app import Folds, High, Low, More, Picture, Recorded
from stripe.cli.plots import Runs, draw_runs, plot_app
from stripe.defaults import FOLDS, HIGH, LOW

_RUNS = Runs()

#: Plots without options of their own, and what their commands say.
_PLAIN = {
    "variance_components": "Draw the shares of channel, class and image in the variance of each "
    "gate.",
    "effective_rank": "Draw the number of directions in which each gate varies over images.",
    "epoch_similarity": "Draw the debiased CKA of each gate between every epoch and that of "
    "--epoch (default: the last).",
    "gate_similarity": "Draw the debiased CKA between every two gates.",
}


def _add_command(name: str, summary: str) -> None:
    """Add the command of a plot without options of its own."""

    def draw(recording: Recorded, *more: More, out: Picture, options: Runs = _RUNS) -> None:
        draw_runs(name, (recording, *more), out, options)

    draw.__doc__ = summary
    plot_app.command(draw, name=name.replace("_", "-"))


for _name, _summary in _PLAIN.items():
    _add_command(_name, _summary)


@plot_app.command(name="saturation")
def plot_saturation(
    recording: Recorded,
    *more: More,
    out: Picture,
    options: Runs = _RUNS,
    low: Low = LOW,
    high: High = HIGH,
) -> None:
    """Draw, for each gate, the shares of its channels that are off, on or stuck for all images."""
    draw_runs("saturation", (recording, *more), out, options, low=low, high=high)


@plot_app.command(name="class-information")
def plot_class_information(
    recording: Recorded, *more: More, out: Picture, options: Runs = _RUNS, folds: Folds = FOLDS
) -> None:
    """Draw how well each gate alone predicts the class."""
    draw_runs("class_information", (recording, *more), out, options, folds=folds)
