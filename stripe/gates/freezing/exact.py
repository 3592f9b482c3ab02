"""Fold channels of gates that are exactly 0, or exactly 1, for all recorded images."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float64
from torch import Tensor, nn
from torch.export import ExportedProgram

from stripe.gates.choose import chosen_gates
from stripe.gates.fingerprint import check_fingerprint
from stripe.gates.freezing.checked_copy import accepted
from stripe.gates.freezing.frozen import REPORT_COLUMNS, Frozen
from stripe.gates.freezing.means import Means
from stripe.gates.freezing.plan import Plan, plan
from stripe.gates.freezing.prune import Pruned, pruned
from stripe.gates.freezing.saturated import moments_of, saturated
from stripe.gates.freezing.substitute import zeros
from stripe.select import Selection


def freeze_exactly(
    model: nn.Module | ExportedProgram,
    data: Means,
    *,
    gates: Selection = "all",
    epoch: int | None = None,
    example: Tensor | None = None,
    force: bool = False,
) -> Frozen:
    """Fold channels that are exactly 0 or 1 for all recorded images; outputs stay equal to the bit.

    If each channel of a gate was 0 for all images, or 1 for all, the gate is frozen and folded. For
    any other gate, the channels that were 0 for all images are pruned: the layers that read the
    product get weights of 0 for these channels. The gate itself is still computed.

    Parameters
    ----------
    model, data, gates, epoch, example, force
        As for `stripe.freeze`; the data must hold the range of every channel.

    Returns
    -------
    Frozen
        `report` also has off and on (numbers of channels that were 0 and 1 for all images) and
        taken (number of these channels whose values the network no longer computes or reads); into
        names the layers that absorbed them. `assumed` has a row for each channel that `taken`
        counts: gate, channel, value, n (images), and at_most, the upper end of a one-sided 95 %
        interval for the share of images in which the channel has another value.

    Raises
    ------
    StripeError
        If `data` holds vectors.
    RecordingError
        If there is no such epoch.
    UnknownNameError, ModelError
        As for `stripe.gates.freeze_at`.
    """
    moments = moments_of(data, epoch)
    network = accepted(model)
    if not force:
        check_fingerprint(network, data, epoch)
    planned = plan(network, moments, example=example, force=True)
    chosen = chosen_gates([place.gate for place in planned.places], gates)
    unknown = _rounded(planned, moments.attrs.get("dtypes", {}))
    read = [gate.name for gate in chosen if gate.name not in unknown]
    known = saturated(moments[moments["gate"].isin(read)])
    values = {
        gate.name: _values(gate.channels, known[known["gate"] == gate.name]) for gate in chosen
    }
    frozen = _frozen(planned, [name for name, of in values.items() if not np.isnan(of).any()])
    done = set(frozen.report["gate"][frozen.report["frozen"]])
    closed = {name: of == 0 for name, of in values.items() if name not in done}
    kept = {name: (~of).astype(float) for name, of in closed.items() if of.any()}
    images = zeros(network, planned.trace.input_shape) if example is None else example
    rest = pruned(frozen.model, kept, images)
    return Frozen(
        rest.model,
        _report(frozen.report, values, rest, unknown),
        max(frozen.error, rest.error),
        assumed=_assumed(known, done, rest),
    )


def _rounded(planned: Plan, recorded: Mapping[str, str]) -> dict[str, str]:
    """Return the gates of which a recording does not hold the exact values, with the reason."""
    reasons = {}
    for gate in (place.gate for place in planned.places):
        if gate.dtype == "float64":
            reasons[gate.name] = "it is float64, and a recording rounds it to float32"
        elif gate.dtype != (there := recorded.get(gate.name, gate.dtype)):
            reasons[gate.name] = f"it is {gate.dtype}, and was {there} when it was recorded"
        elif gate.per_image_values != 1:
            reasons[gate.name] = "it has several rows per image; a recording holds their mean"
    return reasons


def _values(channels: int, known: pd.DataFrame) -> Float64[np.ndarray, " channels"]:
    """Return the value of each channel that was 0 or 1 for all images, NaN for the others."""
    values = np.full(channels, np.nan)
    values[known["channel"].to_numpy()] = known["value"]
    return values


def _frozen(planned: Plan, names: list[str]) -> Frozen:
    """Freeze some gates, or none."""
    if names:
        return planned.freeze(names)
    return Frozen(planned.model, pd.DataFrame(columns=REPORT_COLUMNS), 0.0)


def _report(
    frozen: pd.DataFrame,
    values: Mapping[str, Float64[np.ndarray, " channels"]],
    rest: Pruned,
    unknown: Mapping[str, str],
) -> pd.DataFrame:
    """Return a row for each gate, in forward order."""
    of_frozen = frozen.set_index("gate").to_dict("index")
    rows = []
    for name, of in values.items():
        off, on = int((of == 0).sum()), int((of == 1).sum())
        row, taken = of_frozen.get(name, {"frozen": False}), off + on
        if not row["frozen"]:
            varying = f"{len(of) - off - on} of {len(of)} channels vary, or are neither 0 nor 1"
            why = row.get("reason", rest.reasons.get(name, unknown.get(name, varying)))
            row = {"frozen": False, "folded": False, "into": rest.into.get(name, ""), "reason": why}
            taken = off if row["into"] else 0
        rows.append({"gate": name, **row, "off": off, "on": on, "taken": taken})
    return pd.DataFrame(rows, columns=[*REPORT_COLUMNS, "off", "on", "taken"])


def _assumed(known: pd.DataFrame, done: Collection[str], rest: Pruned) -> pd.DataFrame:
    """Return the channels whose values the network no longer computes, or reads."""
    frozen, closed = known["gate"].isin(done), known["gate"].isin(rest.into) & (known["value"] == 0)
    return known[frozen | closed].reset_index(drop=True)
