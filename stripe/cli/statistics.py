"""`stripe stats`: print statistics of recordings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from stripe.cli.app import (
    Epoch,
    EveryEpoch,
    Folds,
    Gates,
    High,
    Low,
    RandomSeed,
    Recorded,
    app,
    keywords_of,
)
from stripe.cli.options.engines import MAP_HERE, MapEngine
from stripe.cli.options.ranges import Share
from stripe.cli.options.sides import COMPARISON, Comparison, Others, Versus, sides_of
from stripe.cli.options.tables import AS_TABLE, Printed
from stripe.defaults import FOLDS, HIGH, LOW, SHRINKAGE
from stripe.errors import StripeError

if TYPE_CHECKING:
    import pandas as pd

    from stripe.recording import Recording
    from stripe.stats.moments import Over

stats_app = App(name="stats", help="Print statistics of recordings.")
app.command(stats_app)

_Epochs = Annotated[
    tuple[int, ...],
    Parameter(help="Epochs. Default: all.", consume_multiple=1, show_default=False, negative=()),
]


@stats_app.command
def index(
    recording: Recorded,
    *more: Path,
    epoch: EveryEpoch = None,
    spatial: Annotated[bool, Parameter(negative=())] = False,
    engine: MapEngine = MAP_HERE,
    printed: Printed = AS_TABLE,
) -> None:
    """Print the stripe index of each gate in each epoch.

    eta2 is the share of the variance that lies between channels. If it is 1, the gate does not
    depend on the image. between_var and within_var are the variances between and within channels.
    median_std is the median over channels of the standard deviation over images. one_value is True
    if all values of a gate are equal, up to rounding.

    Parameters
    ----------
    more
        More recordings.
    spatial
        Print the index of spatial attention maps, with positions in place of channels.
    """
    from stripe import open_recording, stats

    if spatial:
        if more or epoch is not None or engine != MAP_HERE:
            raise StripeError(
                "--spatial reads all epochs of one recording on this machine; leave out other "
                "recordings, --epoch and engines"
            )
        printed.show(lambda: stats.spatial_index(open_recording(recording)))
        return
    over = _mapped(engine)
    opened = _opened(recording, more)
    printed.show(lambda: stats.stripe_index(stats.channel_moments(opened, _one(epoch), over=over)))


@stats_app.command
def moments(
    recording: Recorded,
    *more: Path,
    epoch: EveryEpoch = None,
    engine: MapEngine = MAP_HERE,
    printed: Printed = AS_TABLE,
) -> None:
    """Print the mean, standard deviation and range of every channel.

    Parameters
    ----------
    more
        More recordings.
    """
    from stripe import stats

    over = _mapped(engine)
    printed.show(lambda: stats.channel_moments(_opened(recording, more), _one(epoch), over=over))


@stats_app.command
def convergence(recording: Recorded, *, tol: float = 0.01, printed: Printed = AS_TABLE) -> None:
    """Print, for each channel of each gate, the first epoch after which it no longer changes.

    Parameters
    ----------
    tol
        Bound below which a step |v(t + 1) - v(t)| counts as no change.
    """
    from stripe import open_recording, stats

    printed.show(lambda: stats.convergence_epoch(open_recording(recording), tol))


@stats_app.command
def compare(
    recording: Recorded,
    *others: Others,
    versus: Versus = (),
    options: Comparison = COMPARISON,
    printed: Printed = AS_TABLE,
) -> None:
    """Print the stripe statistics of each gate in two recordings, and the differences."""
    from stripe import stats

    sides = sides_of((recording, *others), versus)
    table = printed.show(lambda: stats.compare(sides, **keywords_of(options)))
    if not printed.json:
        numbers = " and ".join(map(str, dict.fromkeys(table.attrs["n"])))
        print(f"\n{100 * options.level:g} % intervals over {_over(table)}, n = {numbers}")


@stats_app.command(name="variance-components")
def variance_components(
    recording: Recorded, *, epoch: EveryEpoch = None, printed: Printed = AS_TABLE
) -> None:
    """Print the shares of channel, class and image in the variance of every gate.

    eta2 is the share of the variance that lies between channels. omega2 is this share without the
    bias of few images. icc is the correlation of two images within a channel. channel, class and
    image are the shares, which sum to 1. class_icc is the share of the class in the variance within
    channels.
    """
    from stripe import stats

    printed.show(lambda: stats.variance_components(recording, _one(epoch)))


@stats_app.command(name="effective-rank")
def effective_rank(
    recording: Recorded, *, epoch: EveryEpoch = None, printed: Printed = AS_TABLE
) -> None:
    """Print the number of directions in which every gate varies over images.

    effective_rank is the exponential of the entropy of the shares of the singular values of the
    centred gate. participation is the inverse of the sum of the squared shares of variance.
    """
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
    """Print, for each gate, the shares of its channels that are off, on or stuck for all images.

    off is the share of channels with absolute values of at most --low for all images. on is the
    share of channels with values from --high to 2 - --high for all images. stuck is the share of
    channels with one value for all images.
    """
    from stripe import stats

    printed.show(
        lambda: stats.saturation(stats.channel_moments(recording, _one(epoch)), low=low, high=high)
    )


@stats_app.command(name="class-information")
def class_information(
    recording: Recorded,
    *,
    epoch: Epoch = None,
    folds: Folds = FOLDS,
    shrinkage: Share = SHRINKAGE,
    seed: RandomSeed = 0,
    printed: Printed = AS_TABLE,
) -> None:
    """Print how well every gate alone predicts the class.

    accuracy is the cross-validated accuracy of a linear discriminant, with a 95 % interval from low
    to high. chance is the share of the most frequent class. inputs is the accuracy with the pooled
    features before the gate instead.

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


@stats_app.command(name="epoch-similarity")
def epoch_similarity(
    recording: Recorded,
    *,
    gates: Gates = ("all",),
    epoch: _Epochs = (),
    printed: Printed = AS_TABLE,
) -> None:
    """Print the debiased CKA of each gate between every two epochs."""
    from stripe import stats

    printed.show(lambda: stats.epoch_similarity(recording, gates, epoch or None))


@stats_app.command(name="gate-similarity")
def gate_similarity(
    recording: Recorded, *, epoch: Epoch = None, printed: Printed = AS_TABLE
) -> None:
    """Print the debiased CKA between every two gates."""
    from stripe import stats

    printed.show(lambda: stats.gate_similarity(recording, epoch))


def _one(epoch: int | None) -> list[int] | None:
    """Return one epoch as a list; None means the default of a statistic."""
    return None if epoch is None else [epoch]


def _over(table: "pd.DataFrame") -> str:
    """Return what the intervals of a comparison are over, for the summary."""
    about = table.attrs
    if about["over"] == "seeds":
        return "seeds (Welch)"
    if about["paired"]:
        return "the same images drawn anew"
    return "images drawn anew, not in pairs"


def _opened(recording: Path, more: tuple[Path, ...]) -> "Recording | list[Recording]":
    """Open recordings. Return a single one without a list, so that its tables do not name it."""
    from stripe import open_recording

    opened = [open_recording(path) for path in (recording, *more)]
    return opened if more else opened[0]


def _mapped(options: MapEngine) -> "Over":
    """Return a function that maps over files, with a progress bar if there are many."""
    from tqdm.auto import tqdm

    from stripe.stats.read_ahead import in_pairs

    # Without an engine torch is not imported.
    over: Any = in_pairs if options == MAP_HERE else options.made().map
    return lambda function, items: tqdm(
        over(function, items), total=len(items), unit=" files", delay=1, leave=False
    )
