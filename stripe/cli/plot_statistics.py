"""Commands that draw a statistic of each gate of recordings."""

from stripe.cli.app import More, Picture, Recorded
from stripe.cli.plots import Runs, draw_runs, plot_app

_RUNS = Runs()


@plot_app.command(name="variance-components", alias="variance_components")
def plot_variance_components(
    recording: Recorded, *more: More, out: Picture, options: Runs = _RUNS
) -> None:
    """Draw the shares of channel, class and image in the variance of each gate."""
    draw_runs("variance_components", (recording, *more), out, options)


@plot_app.command(name="saturation")
def plot_saturation(
    recording: Recorded,
    *more: More,
    out: Picture,
    options: Runs = _RUNS,
    low: float = 0.01,
    high: float = 0.99,
) -> None:
    """Draw the shares of channels of each gate that are off, on or stuck for all images.

    Parameters
    ----------
    low
        Largest absolute value of a channel that is off.
    high
        Smallest value of a channel that is on. Its largest value is 2 - high.
    """
    draw_runs("saturation", (recording, *more), out, options, low=low, high=high)


@plot_app.command(name="class-information", alias="class_information")
def plot_class_information(
    recording: Recorded, *more: More, out: Picture, options: Runs = _RUNS, folds: int = 5
) -> None:
    """Draw how well each gate alone predicts the class.

    Parameters
    ----------
    folds
        Number of folds of the cross-validation.
    """
    draw_runs("class_information", (recording, *more), out, options, folds=folds)


@plot_app.command(name="epoch-similarity", alias="epoch_similarity")
def plot_epoch_similarity(
    recording: Recorded, *more: More, out: Picture, options: Runs = _RUNS
) -> None:
    """Draw the debiased CKA between each epoch of each gate and one epoch (default: the last)."""
    draw_runs("epoch_similarity", (recording, *more), out, options)
