"""Commands that draw a statistic of each gate of a recording."""

from stripe.cli.app import Epoch, Picture, Recorded
from stripe.cli.plots import plot_app, save_plot


@plot_app.command(name="variance-components", alias="variance_components")
def plot_variance_components(recording: Recorded, *, out: Picture, epoch: Epoch = None) -> None:
    """Draw the shares of channel, class and image in the variance of each gate."""
    save_plot("variance_components", recording, out, epoch=epoch)


@plot_app.command(name="saturation")
def plot_saturation(
    recording: Recorded,
    *,
    out: Picture,
    epoch: Epoch = None,
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
    save_plot("saturation", recording, out, epoch=epoch, low=low, high=high)


@plot_app.command(name="class-information", alias="class_information")
def plot_class_information(
    recording: Recorded, *, out: Picture, epoch: Epoch = None, folds: int = 5
) -> None:
    """Draw how well each gate alone predicts the class.

    Parameters
    ----------
    folds
        Number of folds of the cross-validation.
    """
    save_plot("class_information", recording, out, epoch=epoch, folds=folds)


@plot_app.command(name="epoch-similarity", alias="epoch_similarity")
def plot_epoch_similarity(recording: Recorded, *, out: Picture, epoch: Epoch = None) -> None:
    """Draw the debiased CKA between each epoch of every gate and one chosen epoch."""
    save_plot("epoch_similarity", recording, out, epoch=epoch)
