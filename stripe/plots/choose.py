"""Which gate, epoch, images and channels a plot shows."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from stripe.errors import RecordingError, StripeError
from stripe.recording import Recording
from stripe.recording.runs import Shown

ChannelOrder = Literal["random", "mean", "spread"]
ImageOrder = Literal["random", "label", "prediction"]
Side = Literal["both", "before", "after"]
Scale = Literal["own", "shared"]


def chosen_gate(recording: Recording, gate: str | None) -> str:
    """Return `gate`, or the deepest gate of the recording."""
    if gate is not None:
        return recording.gate(gate).name
    if not recording.header.channel_gates:
        raise RecordingError(f"{recording.path} holds no channel gates")
    return recording.header.channel_gates[-1].name


def said(runs: Sequence[Shown], gate: str | None = None) -> str:
    """Write which run, gate and epoch a picture shows; of several, what they have in common."""
    epochs = {run.epoch for run in runs}
    parts = [runs[0].name] if len(runs) == 1 else []
    parts += [] if gate is None else [gate]
    parts += [f"epoch {runs[0].epoch}"] if len(epochs) == 1 else []
    return ", ".join(parts)


def generator(seed: int) -> np.random.Generator:
    """Return the generator that `seed`, 0 or more, starts."""
    if seed < 0:
        raise StripeError(f"a seed is 0 or more, got {seed}")
    return np.random.default_rng(seed)


def sample(total: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return up to `count` of `total` positions in random order, without repeats."""
    if count < 1:
        raise StripeError(f"a plot shows at least one image and one channel, got {count}")
    return rng.choice(total, min(count, total), replace=False)


def of(count: int, total: int, what: str) -> str:
    """Write how many are shown: "channel (60 of 256)", or just "channel" if all are."""
    return what if count >= total else f"{what} ({count} of {total})"


class View(NamedTuple):
    """What a picture of images x channels shows of an epoch: positions, in the order shown."""

    rows: np.ndarray
    columns: np.ndarray


def view(
    recording: Recording,
    gate: str,
    epoch: int,
    *,
    images: int,
    channels: int,
    image_order: ImageOrder,
    channel_order: ChannelOrder,
    seed: int,
) -> View:
    """Draw images and channels at random, and put them in order.

    Channels can be in the order of their mean or their standard deviation over all images of the
    epoch, ascending; images in that of their label or prediction.
    """
    one_of("image_order", image_order, get_args(ImageOrder))
    one_of("channel_order", channel_order, get_args(ChannelOrder))
    values = recording.values(gate, epoch)
    rng = generator(seed)
    rows = sample(values.shape[0], images, rng)
    columns = sample(values.shape[1], channels, rng)
    if channel_order != "random":
        moment = values.mean(axis=0) if channel_order == "mean" else values.std(axis=0)
        columns = columns[np.argsort(moment[columns], kind="stable")]
    if image_order != "random":
        named = recording.rows(epoch)[image_order]
        if named.isna().all():
            raise RecordingError(f"{recording.path} holds no {image_order}; order images otherwise")
        rows = rows[np.argsort(named.to_numpy(dtype=float, na_value=np.inf)[rows], kind="stable")]
    return View(rows, columns)


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a value that an option does not have."""
    if value not in allowed:
        raise StripeError(f"{name} is one of {', '.join(allowed)}, got {value!r}")


def with_columns(
    table: pd.DataFrame, columns: Sequence[str], *, names: Sequence[str] = ()
) -> pd.DataFrame:
    """Return `table`, or raise an error that says which columns it lacks or are no numbers.

    The columns called `names` need not be numbers.
    """
    if missing := [name for name in columns if name not in table]:
        raise StripeError(
            f"the table must have the columns {', '.join(columns)}, and lacks {', '.join(missing)}"
        )
    if table.empty:
        raise StripeError("the table must have at least one row, and has none")
    for column in set(columns) - set(names):
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise StripeError(f"the column {column} of the table must hold numbers, and does not")
    return table
