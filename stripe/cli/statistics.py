"""Commands that print a statistic of every gate of a recording."""

from typing import Annotated

from cyclopts import Parameter

from stripe.cli.app import Epoch, EveryEpoch, Folds, Gates, High, Low, Recorded, Seed
from stripe.cli.recordings import stats_app
from stripe.cli.tables import AS_TABLE, Printed
from stripe.defaults import FOLDS, HIGH, LOW, SHRINKAGE

_Epochs = Annotated[
    tuple[int, ...],
    Parameter(help="Epochs. Default: all.", consume_multiple=True, show_default=False, negative=()),
]


@stats_app.command(name="variance-components", alias="variance_components")
def variance_components(
    recording: Recorded, *, epoch: EveryEpoch = None, printed: Printed = AS_TABLE
) -> None:
    """Print the shares of channel, class and image in the variance of every gate."""
    from stripe import stats

    printed.show(lambda: stats.variance_components(recording, _one(epoch)))


@stats_app.command(name="effective-rank", alias="effective_rank")
def effective_rank(
    recording: Recorded, *, epoch: EveryEpoch = None, printed: Printed = AS_TABLE
) -> None:
    """Print in how many directions every gate varies over images."""
    from stripe import stats

    printed.show(lambda: stats.effective_rank(recording, _one(epoch)))


@stats_app.command
def saturation(
    recording: Recorded,
    *,
    epoch: EveryEpoch = None,
    low: Low = LOW,
    high: High = HIGH,
    printed: Printed = AS_TABLE,
) -> None:
    """Print the shares of channels of every gate that stay off, on or unchanged for all images."""
    from stripe import stats

    printed.show(
        lambda: stats.saturation(stats.channel_moments(recording, _one(epoch)), low=low, high=high)
    )


@stats_app.command(name="class-information", alias="class_information")
def class_information(
    recording: Recorded,
    *,
    epoch: Epoch = None,
    folds: Folds = FOLDS,
    shrinkage: float = SHRINKAGE,
    seed: Seed = 0,
    printed: Printed = AS_TABLE,
) -> None:
    """Print how well every gate alone predicts the class.

    Parameters
    ----------
    shrinkage
        Weight of a multiple of the identity in the covariance within classes, 0 to 1.
    """
    from stripe import stats

    printed.show(
        lambda: stats.class_information(
            recording, _one(epoch), folds=folds, shrinkage=shrinkage, seed=seed
        )
    )


@stats_app.command(name="epoch-similarity", alias="epoch_similarity")
def epoch_similarity(
    recording: Recorded,
    *,
    gates: Gates = ("all",),
    epoch: _Epochs = (),
    printed: Printed = AS_TABLE,
) -> None:
    """Print the debiased CKA between every two epochs of each gate."""
    from stripe import stats

    printed.show(lambda: stats.epoch_similarity(recording, gates, epoch or None))


@stats_app.command(name="gate-similarity", alias="gate_similarity")
def gate_similarity(
    recording: Recorded, *, epoch: Epoch = None, printed: Printed = AS_TABLE
) -> None:
    """Print the debiased CKA between every two gates."""
    from stripe import stats

    printed.show(lambda: stats.gate_similarity(recording, epoch))


def _one(epoch: int | None) -> list[int] | None:
    """Return one epoch as a list; None means the default of a statistic."""
    return None if epoch is None else [epoch]
