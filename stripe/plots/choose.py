"""Choose the gate, epoch, images and channels of a plot, and the order of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from stripe.errors import RecordingError, StripeError
from stripe.plots.literal import literal, literal_table, quoted
from stripe.recording import Recording
from stripe.recording.runs import NamedRun
from stripe.registry import listed
from stripe.stats.unwarned import unwarned

ChannelOrder = Literal["random", "mean", "spread"]
ImageOrder = Literal["random", "label", "prediction"]
Side = Literal["both", "before", "after"]
ColourScale = Literal["own", "shared"]

#: Largest number of columns of a table that an error lists.
_MOST = 12


def chosen_gate(recording: Recording, gate: str | None) -> str:
    """Return `gate`, or the deepest gate of the recording."""
    if gate is not None:
        return recording.gate(gate).name
    if not recording.header.channel_gates:
        raise RecordingError(f"{recording.path} holds no channel gates")
    return recording.header.channel_gates[-1].name


def said(runs: Sequence[NamedRun], gate: str | None = None) -> str:
    """Write which run, gate and epoch a picture shows; of several, what they have in common.

    The names of the runs are literal.
    """
    # A network that was recorded once has no epoch: 0 is only the number of the recording's.
    epochs = {run.epoch if run.recording.epochs != [0] else None for run in runs}
    parts = [quoted(runs[0].name)] if len(runs) == 1 else []
    parts += [] if gate is None else [literal(gate)]
    parts += [f"epoch {runs[0].epoch}"] if len(epochs) == 1 and None not in epochs else []
    return ", ".join(parts)


def generator(seed: int) -> np.random.Generator:
    """Return the generator that `seed`, 0 or more, starts."""
    if seed < 0:
        raise StripeError(f"a seed is 0 or more, got {seed}")
    return np.random.default_rng(seed)


def sample_positions(total: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return up to `count` of `total` positions in random order, without repeats."""
    if count < 1:
        raise StripeError(f"a plot shows at least one image and one channel, got {count}")
    return rng.choice(total, min(count, total), replace=False)


def of(count: int, total: int, what: str) -> str:
    """Write how many are shown: "channel (60 of 256)", or just "channel" if all are."""
    return what if count >= total else f"{what} ({count} of {total})"


class View(NamedTuple):
    """Positions of the images and channels in a picture, in the order shown."""

    rows: np.ndarray
    columns: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which images and channels of an epoch a picture shows.

    Parameters
    ----------
    n_images, channels
        Number of images and of channels, chosen at random.
    image_order
        Images in random order, or sorted by label or prediction.
    channel_order
        Channels in the order of their numbers ("random": only the choice is random), or sorted by
        their mean or standard deviation over all images of the epoch, ascending.
    seed
        Seed of the random choice.
    """

    n_images: int = 20
    channels: int = 60
    image_order: ImageOrder = "random"
    channel_order: ChannelOrder = "random"
    seed: int = 0

    @classmethod
    def among(cls, options: Mapping[str, Any]) -> "Choice":
        """Return the choice that options of a plot make; other options are ignored."""
        return cls(**{name: options[name] for name in cls.__dataclass_fields__ if name in options})


@unwarned
def view(recording: Recording, gate: str, epoch: int, choice: Choice) -> View:
    """Draw images and channels at random, and sort them."""
    one_of("image_order", choice.image_order, get_args(ImageOrder))
    one_of("channel_order", choice.channel_order, get_args(ChannelOrder))
    values = recording.values(gate, epoch)
    rng = generator(choice.seed)
    rows = sample_positions(values.shape[0], choice.n_images, rng)
    columns = np.sort(sample_positions(values.shape[1], choice.channels, rng))
    if choice.channel_order != "random":
        by_mean = choice.channel_order == "mean"
        moment = values.mean(axis=0) if by_mean else values.std(axis=0)
        columns = columns[np.argsort(moment[columns], kind="stable")]
    if choice.image_order != "random":
        named = recording.rows(epoch)[choice.image_order]
        if named.isna().all():
            raise RecordingError(
                f"{recording.path} holds no {choice.image_order}; choose another image_order"
            )
        rows = rows[np.argsort(named.to_numpy(dtype=float, na_value=np.inf)[rows], kind="stable")]
    return View(rows, columns)


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a value that an option does not have."""
    if value not in allowed:
        raise StripeError(f"{name} is one of {', '.join(allowed)}, got {value!r}")


def with_columns(
    table: pd.DataFrame, columns: Sequence[str], *, of: str, names: Sequence[str] = ()
) -> pd.DataFrame:
    """Return `table`, or raise an error that says which columns it lacks or are no numbers.

    `of` says which table it must be. The columns called `names` need not be numbers. All texts are
    literal.
    """
    if missing := [name for name in columns if name not in table]:
        raise StripeError(
            f"the table must have the columns {', '.join(columns)}, and lacks "
            f"{', '.join(missing)}; it has {listed(list(map(str, table)), _MOST)}; give the table "
            f"of {of}"
        )
    if table.empty:
        raise StripeError(
            f"the table must have at least one row, and has none; give the table of {of}, with the "
            "rows to draw"
        )
    for column in set(columns) - set(names):
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise StripeError(f"the column {column} of the table must hold numbers, and does not")
    return literal_table(table)
