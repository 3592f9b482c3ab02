"""A recording as a DataTree of xarray."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stripe.errors import RecordingError, StripeError
from stripe.recording.schema import Header, RecordedGate

if TYPE_CHECKING:
    import xarray as xr

_DIMS = ("epoch", "image", "channel")
_MAP_DIMS = ("epoch", "image", "height", "width")


def as_data_tree(
    header: Header,
    gates: Sequence[RecordedGate],
    rows: Mapping[int, pd.DataFrame],
    read: Callable[[RecordedGate], Mapping[str, Sequence[np.ndarray]]],
) -> "xr.DataTree":
    """Return a tree with a node per gate, as `Recording.to_xarray` does.

    Parameters
    ----------
    header, gates
        The header, and the gates of the tree.
    rows
        Image, label and prediction of every row, by epoch.
    read
        Function that returns the variables of a gate, one array per epoch.
    """
    try:
        import xarray as xr
    except ImportError as error:
        raise StripeError(
            "to_xarray needs xarray, which is not installed; pip install 'stripe-attention[xarray]'"
        ) from error
    _check(gates, rows)
    last = [*rows.values()][-1]
    provenance = {"model": header.model, "dataset": header.dataset, "seed": header.seed}
    root = xr.Dataset(
        {"prediction": (_DIMS[:2], np.stack([_plain(of["prediction"]) for of in rows.values()]))},
        {
            "epoch": list(rows),
            "image": last["image"].to_numpy(),
            "label": ("image", _plain(last["label"])),
        },
        {name: value for name, value in provenance.items() if value not in ("", None)},
    )
    children = {gate.name: _of_gate(gate, read(gate)) for gate in gates}
    return xr.DataTree.from_dict({"/": root, **children})


def _check(gates: Sequence[RecordedGate], rows: Mapping[int, pd.DataFrame]) -> None:
    """Refuse what does not fit into one tree."""
    if slashed := [gate.name for gate in gates if "/" in gate.name]:
        raise RecordingError(
            f"xarray separates the names of a tree by '/', and a gate is called {slashed[0]!r}; "
            "choose others with gates=[...]"
        )
    last = [*rows][-1]
    for epoch, frame in rows.items():
        if not frame["image"].equals(rows[last]["image"]):
            raise RecordingError(
                f"the images of all epochs must be the same to share an axis, and epochs {epoch} "
                f"and {last} hold different images; choose epochs=[...]"
            )


def _plain(numbers: pd.Series) -> np.ndarray:
    """Return labels or predictions as int32, or as float64 with NaN if some are missing."""
    if numbers.isna().any():
        return numbers.to_numpy("float64", na_value=np.nan)
    return numbers.to_numpy("int32")


def _of_gate(gate: RecordedGate, variables: Mapping[str, Sequence[np.ndarray]]) -> "xr.Dataset":
    import xarray as xr

    dims = _MAP_DIMS if gate.kind == "spatial" else _DIMS
    about = {"kind": gate.kind, "owner": gate.owner, "owner_class": gate.owner_class}
    return xr.Dataset({name: (dims, np.stack(by)) for name, by in variables.items()}, attrs=about)
