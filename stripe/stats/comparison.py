"""Compare the stripe statistics of two recordings gate by gate, with intervals."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64

from stripe.defaults import LEVEL, RESAMPLES
from stripe.errors import StripeError
from stripe.recording import Recorded
from stripe.recording.runs import NamedRun
from stripe.recording.same_images import different, other_names, unpaired
from stripe.registry import listed
from stripe.stats.moments import channel_moments
from stripe.stats.sides import ComparedRuns, Side, common_gates, two_sides
from stripe.stats.stripe_index import index_arrays, stripe_index
from stripe.stats.unwarned import unwarned
from stripe.typed import typed
from stripe.warn import warn

#: The compared columns of `stripe_index`.
STATISTICS = ["eta2", "between_var", "within_var", "median_std"]
#: Columns of the table, which are not allowed as names of sides.
_OWN = ["gate", "statistic", "difference", "low", "high"]
#: Number of resamples whose weights are in memory at a time.
_CHUNK = 100
#: Smallest number of images for a bootstrap interval.
FEWEST = 4

#: The statistics of a gate in every run of one side.
OfRuns = Float64[np.ndarray, "_ statistics"]


@typed
def compare(
    data: Recorded | Sequence[ComparedRuns],
    *,
    names: Sequence[str] | None = None,
    epoch: int | Sequence[int] | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare the gates of two recordings, or of two lists of recordings from different seeds.

    Parameters
    ----------
    data
        The two sides. Each side is a recording or its directory, or a list of at least two of them.
        A single recording is compared with itself, at the two epochs that `epoch` gives.
    names
        Names of the two sides. Default: the parts of their paths that differ (for a list, the path
        of its first recording), and the epochs if both sides are one recording.
    epoch
        Epoch for both sides, or one for each. Default: the last of each recording.
    resamples
        Number of bootstrap samples over images, at least 100.
    level
        Confidence level of the intervals, above 0 and below 1.
    seed
        Seed of the resampling.

    Returns
    -------
    DataFrame
        One row for each gate that all recordings have, and each statistic:

        - gate;
        - statistic: eta2, between_var, within_var or median_std, as in `stripe_index`;
        - one column per side, with its name: the value, or for a list the mean over its recordings;
        - difference: the second side minus the first;
        - low, high: interval of the difference. An interval over images is NaN if a recording holds
          only moments.

        The value of a side is NaN if its gate has values that are not finite. The difference and
        its interval are then NaN too.

        The dictionary `attrs` of the table has these keys: `over` ("images" or "seeds"); `names`,
        `epochs` (lists of epochs) and `n` (number of images or of recordings), each with one entry
        per side; `level`, the confidence level; and `left_out`, the gates that are missing from at
        least one recording and are therefore not compared. For intervals over images, `attrs` also
        has `paired` (whether the images were paired), `unpaired` (the reason if they were not),
        `resamples` and `seed`. For intervals over seeds, it also has `runs`: for each gate and
        statistic, two lists with the value of each recording.

    Raises
    ------
    StripeError
        In one of these cases:

        - there are not two sides, or only one of them is a list;
        - a list has fewer than two recordings, or a single recording has fewer than 4 images;
        - no gate is in all recordings;
        - `names` or `epoch` does not have one entry per side;
        - the names are equal, or one of them is the name of another column;
        - a number is out of range.
    RecordingError
        In one of these cases:

        - an epoch was not recorded;
        - a list contains a recording twice, or two recordings with the same weights;
        - recordings of a list hold different images: other indices, or other labels;
        - both sides are one recording at one epoch, and `names` is not given.

    Warns
    -----
    UserWarning
        If the images of two recordings are not paired, recordings of two lists may hold different
        images, or a gate is missing from a recording.

    Notes
    -----
    The interval over images is a percentile bootstrap (Efron, 1979) of statistics whose bias is
    corrected. For n images, eta2 is too large by up to about `(1 - eta2) / n`. A bootstrap sample
    has this bias twice. Without the correction, the whole interval could therefore lie above or
    below the true difference. The estimates themselves are not corrected.

    Images are drawn with replacement, and in pairs if both sides recorded the same images. The
    images count as the same if their indices are equal, no image has different labels on the two
    sides, and the data sets are known to be equal: both sides are one recording, the data sets have
    the same name (a final "/test" does not count), or all images have labels, which are neither
    sorted nor periodic. Two different recordings without labels and without `dataset=` are
    therefore not paired, and their intervals are wider.

    The interval over images shows how much the difference between the two networks depends on the
    choice of images. It does not show whether networks from other seeds differ in the same way. To
    measure this, pass lists. The interval over seeds is Welch's t interval, because a bootstrap
    interval over a few runs is too narrow.

    Each interval is for one row alone. At a level of 0.95, one in twenty intervals is expected to
    exclude zero even if all gates are equal. Gates with the same name in two networks need not have
    the same function.

    Examples
    --------
    >>> table = stripe.compare([recording, recording], names=["SE", "again"])
    >>> (table["difference"] == 0).all()
    np.True_
    """
    if not 0 < level < 1:
        raise StripeError(f"level must be above 0 and below 1, got {level}")
    if resamples < 100:
        raise StripeError(f"resamples must be at least 100, got {resamples}")
    sides = two_sides(data, names, epoch)
    (first, of_first), (second, of_second) = sides
    if {first, second} & {*_OWN} or first == second:
        raise StripeError(f"names must differ from each other and from {', '.join(_OWN)}")
    gates, left_out = common_gates([run.recording for run in (*of_first, *of_second)])
    if len(of_first) == len(of_second) == 1:
        n = [_images(side[0]) for side in (of_first, of_second)]
        if min(n) < FEWEST:
            raise StripeError(
                f"an interval over images needs at least {FEWEST} images on each side, got "
                f"{n[0]} and {n[1]}; record more"
            )
        why = unpaired(of_first[0], of_second[0])
        how: dict[str, Any] = {"paired": not why, "resamples": resamples, "seed": seed}
        rows = _over_images(of_first[0], of_second[0], gates, level=level, **how)
        about = {"over": "images", "unpaired": why, **how}
    else:
        runs = _of_runs(of_first, of_second, gates)
        rows = _over_seeds(runs, level)
        about, n = {"over": "seeds", "runs": _as_lists(runs)}, [len(of_first), len(of_second)]
    columns = ["gate", "statistic", first, second, "difference", "low", "high"]
    table = pd.DataFrame(rows, columns=columns)
    epochs = [sorted({run.epoch for run in side}) for side in (of_first, of_second)]
    named: dict[str, Any] = {"names": [first, second], "epochs": epochs}
    table.attrs |= {**about, **named, "n": n, "level": level, "left_out": left_out}
    _warn_of_sides(table, sides)
    return table


def _warn_of_sides(table: pd.DataFrame, sides: Sequence[Side]) -> None:
    """Warn about what a reader of the table alone would not see."""
    first, *others = [run for _, runs in sides for run in runs]
    if not all(run.recording.header.per_image for run in (first, *others)):
        if table.attrs["over"] == "images":
            warn("there are no intervals over images, because a recording holds moments only")
    elif why := table.attrs.get("unpaired", ""):
        pairs = (
            "" if different(first, others[0]) else "; record with the same dataset= to pair them"
        )
        warn(f"the images of the two sides are not paired, because {why}{pairs}")
    if table.attrs["over"] == "seeds":
        reasons = (different(first, run) or other_names(first, run) for run in others)
        if why := next(filter(None, reasons), ""):
            warn(f"the recordings may hold different images, because {why}")
    if left_out := table.attrs["left_out"]:
        warn(f"gates that some recordings do not have are not compared: {listed(left_out, 6)}")


def _images(run: NamedRun) -> int:
    """Return how many images an epoch has."""
    return int(channel_moments(run.recording, [run.epoch])["n"].iloc[0])


def _over_images(
    first: NamedRun,
    second: NamedRun,
    gates: list[str],
    *,
    level: float,
    paired: bool,
    resamples: int,
    seed: int,
) -> Iterator[tuple[object, ...]]:
    """Yield a row per gate and statistic, with intervals where values were recorded."""
    tables = [_indices(run).set_index("gate") for run in (first, second)]
    valued = all(run.recording.header.per_image for run in (first, second))
    ends = [(1 - level) / 2, (1 + level) / 2]
    for gate in gates:
        values = [table.loc[gate, STATISTICS].to_numpy(dtype=float) for table in tables]
        interval = np.full((2, len(STATISTICS)), np.nan)
        if valued:
            # The same seed for every gate and, in pairs, for both sides: the same images.
            seeds: list[int | list[int]] = [seed, seed] if paired else [seed, [seed, 1]]
            drawn = [
                _resampled(run.recording.values(gate, run.epoch), resamples, its_seed)
                for run, its_seed in zip((first, second), seeds, strict=True)
            ]
            interval = np.quantile(drawn[1] - drawn[0], ends, axis=0)
        yield from _rows(gate, values[0], values[1], interval)


@unwarned
def _resampled(
    values: Float[np.ndarray, "images channels"], resamples: int, seed: int | list[int]
) -> Float64[np.ndarray, "resamples statistics"]:
    """Return the statistics of images drawn anew, with replacement, many times.

    They are corrected for their bias, which a resample has twice: from the images to the resample,
    and from all images that there could be to those that were recorded.
    """
    rng = np.random.default_rng(seed)
    exact = values.astype(np.float64)
    centre = exact.mean(axis=0)
    apart = exact - centre  # small numbers, whose squares lose no digits
    apart = np.column_stack([apart, apart.mean(axis=1)])  # the last: what all channels share
    squares, count = np.square(apart), len(exact)
    found = []
    for start in range(0, resamples, _CHUNK):
        some = min(_CHUNK, resamples - start)
        weights = rng.multinomial(count, np.full(count, 1 / count), size=some) / count
        moved = weights @ apart
        variance = np.maximum(weights @ squares - np.square(moved), 0)
        mean, spread = centre + moved[:, :-1], np.sqrt(variance[:, :-1])
        found.append(_without_bias(mean, spread, variance[:, -1], count))
    return np.concatenate(found)


def _without_bias(
    mean: Float64[np.ndarray, "resamples channels"],
    std: Float64[np.ndarray, "resamples channels"],
    shared: Float64[np.ndarray, " resamples"],
    count: int,
) -> Float64[np.ndarray, "resamples statistics"]:
    """Return the statistics of resamples of `count` images, corrected for twice their bias.

    The variance within a channel is too small by its n-th part. The variance between the means of
    channels is too large by as much, less the n-th part of the variance that all channels `shared`,
    which moves all means alike.
    """
    eta2, between, within, median, constant = index_arrays(mean, std)
    kept = 1 - 1 / count
    between = np.maximum(between - 2 * (within - shared) / count, 0)
    within, median = within / kept**2, median / kept
    total = np.where(constant, 1, between + within)
    return np.stack([np.where(constant, eta2, between / total), between, within, median], axis=1)


def _over_seeds(
    runs: Mapping[str, tuple[OfRuns, OfRuns]], level: float
) -> Iterator[tuple[object, ...]]:
    """Yield a row per gate and statistic, with Welch's interval of the difference of means."""
    from scipy.stats import t

    for gate, sides in runs.items():
        means = [of_side.mean(axis=0) for of_side in sides]
        squares = [of_side.var(axis=0, ddof=1) / len(of_side) for of_side in sides]
        total = squares[0] + squares[1]
        parts = [s**2 / (len(of_side) - 1) for s, of_side in zip(squares, sides, strict=True)]
        with np.errstate(invalid="ignore"):  # runs that agree to the last bit
            freedom = np.where(total > 0, total**2 / np.where(total > 0, sum(parts), 1), 1)
        half = t.ppf((1 + level) / 2, freedom) * np.sqrt(total)
        difference = means[1] - means[0]
        yield from _rows(gate, means[0], means[1], np.stack([difference - half, difference + half]))


def _of_runs(
    first: list[NamedRun], second: list[NamedRun], gates: list[str]
) -> dict[str, tuple[OfRuns, OfRuns]]:
    """Return the statistics of every run of both sides, by gate."""
    tables = [[_indices(run).set_index("gate") for run in side] for side in (first, second)]

    def of_side(side: list[pd.DataFrame], gate: str) -> OfRuns:
        return np.array([table.loc[gate, STATISTICS].to_numpy(dtype=float) for table in side])

    return {gate: (of_side(tables[0], gate), of_side(tables[1], gate)) for gate in gates}


def _as_lists(runs: Mapping[str, tuple[OfRuns, OfRuns]]) -> dict[str, dict[str, list[list[float]]]]:
    """Return the statistics of every run as lists, which `DataFrame.to_parquet` can store."""
    return {
        gate: {
            statistic: [of_side[:, number].tolist() for of_side in sides]
            for number, statistic in enumerate(STATISTICS)
        }
        for gate, sides in runs.items()
    }


def _indices(run: NamedRun) -> pd.DataFrame:
    return stripe_index(channel_moments(run.recording, [run.epoch]))


def _rows(
    gate: str, first: np.ndarray, second: np.ndarray, interval: np.ndarray
) -> Iterator[tuple[object, ...]]:
    for number, statistic in enumerate(STATISTICS):
        low, high = interval[:, number]
        one, other = float(first[number]), float(second[number])
        yield gate, statistic, one, other, other - one, float(low), float(high)
