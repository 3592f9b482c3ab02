"""The constants at which gates are frozen, from recordings or tables."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stripe.errors import ModelError, RecordingError, UnknownNameError
from stripe.recording import Gate, Recorded, open_recording
from stripe.registry import listed
from stripe.stats import channel_moments

#: A recording or its directory, the table of `stripe.stats.channel_moments`, or vectors by gate.
Means = Recorded | pd.DataFrame | Mapping[str, Sequence[float] | np.ndarray | Tensor]


class Constants(NamedTuple):
    """Mean vectors by gate, and the shape of the recorded images; None if it is unknown."""

    vectors: Mapping[str, np.ndarray]
    shape: tuple[int, ...] | None


def constants(data: Means, epoch: int | None) -> Constants:
    """Return the mean of every gate that the data has."""
    if isinstance(data, Recorded):
        recording = open_recording(data)
        data = channel_moments(recording, [recording.last_epoch if epoch is None else epoch])
    if not isinstance(data, pd.DataFrame):
        return Constants({name: _numbers(name, vector) for name, vector in data.items()}, None)
    check_columns(data, "gate", "channel", "mean")
    shape = data.attrs.get("input_shape")
    frame = data
    if "epoch" in data:
        data = data[data["epoch"] == (data["epoch"].max() if epoch is None else epoch)]
    if "epoch" in frame and not len(data):
        raise RecordingError(
            f"the moments hold no epoch {epoch}; they hold {sorted(set(frame['epoch']))}"
        )
    by_gate = data.sort_values("channel").groupby("gate", sort=False)["mean"]
    means = {str(name): means.to_numpy() for name, means in by_gate}
    return Constants(means, shape and tuple(shape))


def _numbers(name: str, vector: Any) -> np.ndarray:
    """Return the numbers of a vector, also of a tensor in any format or with gradients."""
    try:
        if isinstance(vector, Tensor):
            vector = vector.detach().cpu().to(torch.promote_types(vector.dtype, torch.float64))
        array = np.asarray(vector)
        if array.dtype.kind in "fiub":
            return array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError):
        pass
    raise ModelError(
        f"the mean of {name!r} must be a vector of real numbers, got {type(vector).__name__}"
    )


def check_columns(moments: pd.DataFrame, *names: str) -> None:
    """Raise a `ModelError` if a table of moments does not have some columns."""
    if missing := [name for name in names if name not in moments]:
        raise ModelError(
            f"a table of moments must have the columns {listed(names)}, and has no "
            f"{missing[0]!r}; give the table of stripe.stats.channel_moments"
        )


def vector_of(gate: Gate, means: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the constant of a gate, in float64.

    Raises
    ------
    UnknownNameError
        If there is no mean of the gate.
    ModelError
        If the mean does not have the gate's number of channels, or is not finite.
    """
    name, channels = gate.name, gate.channels
    if name not in means:
        raise UnknownNameError(f"the means have no gate {name!r}; they have {listed(list(means))}")
    vector = np.array(means[name], dtype=np.float64)
    finite = bool(np.isfinite(vector).all())
    if vector.shape != (channels,) or not finite:
        why = "; some are not finite, as for images or weights with NaN"
        raise ModelError(
            f"the mean of {name!r} must be {channels} finite numbers, got shape {vector.shape}"
            f"{'' if finite else why}"
        )
    return vector
