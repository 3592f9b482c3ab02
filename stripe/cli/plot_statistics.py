"""Commands that draw a statistic of each gate of recordings."""

from stripe.cli.app import Folds, High, Low, More, Picture, Recorded
from stripe.cli.plots import Runs, draw_runs, plot_app

_RUNS = Runs()


@plot_app.command(name="variance-components", alias="variance_components")
def plot_variance_components(
    recording: Recorded, *more: More, out: Picture, options: Runs = _RUNS
) -> None:
    """Draw the shares of channel, class and image in the variance of each gate."""
    draw_runs("variance_components", (recording, *more), out, options)


@plot_app.command(name="effective-rank", alias="effective_rank")
def plot_effective_rank(
    recording: Recorded, *more: More, out: Picture, options: Runs = _RUNS
) -> None:
    """Draw in how many directions each gate varies over images."""
    draw_runs("effective_rank", (recording, *more), out, options)


@plot_app.command(name="saturation")
def plot_saturation(
    recording: Recorded,
    *more: More,
    out: Picture,
    options: Runs = _RUNS,
    low: Low = 0.01,
    high: High = 0.99,
) -> None:
    """Draw the shares of channels of each gate that are off, on or stuck for all images."""
    draw_runs("saturation", (recording, *more), out, options, low=low, high=high)


@plot_app.command(name="class-information", alias="class_information")
def plot_class_information(
    recording: Recorded, *more: More, out: Picture, options: Runs = _RUNS, folds: Folds = 5
) -> None:
    """Draw how well each gate alone predicts the class."""
    draw_runs("class_information", (recording, *more), out, options, folds=folds)


@plot_app.command(name="epoch-similarity", alias="epoch_similarity")
def plot_epoch_similarity(
    recording: Recorded, *more: More, out: Picture, options: Runs = _RUNS
) -> None:
    """Draw the debiased CKA between each epoch of each gate and one epoch (default: the last)."""
    draw_runs("epoch_similarity", (recording, *more), out, options)


@plot_app.command(name="gate-similarity", alias="gate_similarity")
def plot_gate_similarity(
    recording: Recorded, *more: More, out: Picture, options: Runs = _RUNS
) -> None:
    """Draw the debiased CKA between every two gates."""
    draw_runs("gate_similarity", (recording, *more), out, options)
