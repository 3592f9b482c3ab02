"""Replace gates of an ONNX graph by their means over images, and fold them away."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
from onnx import ModelProto

from stripe.errors import ModelError, UnknownNameError
from stripe.gates.means import Means, constants
from stripe.onnx.compare import compare
from stripe.onnx.find import Place
from stripe.onnx.graph import Graph
from stripe.onnx.load import fingerprint, load_model, save_model
from stripe.onnx.record import chosen_places
from stripe.onnx.replace import fold_site, put_constant
from stripe.recording import Recording, open_recording
from stripe.registry import listed
from stripe.select import Selection


@dataclass(frozen=True)
class Frozen:
    """An ONNX model without gates.

    Parameters
    ----------
    model
        The model.
    report
        One row per gate: gate, frozen, folded (at every product), into (names of nodes), reason
        (why a constant scale stays).
    error
        The largest difference between the model and the one whose constants are not folded, on
        random images, over all outputs and the tensors beside the gates; relative to the largest
        value of each, and of probabilities to 1.
    """

    model: ModelProto
    report: pd.DataFrame
    error: float

    def save(self, path: str | Path) -> None:
        """Write the model to a file."""
        save_model(self.model, Path(path).expanduser())


def freeze(
    model: str | Path | ModelProto,
    data: Means,
    *,
    gates: Selection = "all",
    fold: bool = True,
    epoch: int | None = None,
    force: bool = False,
    image_shape: tuple[int, ...] | None = None,
) -> Frozen:
    """Replace gates of an ONNX graph by their means over images, and fold each constant.

    The branch that computed a gate goes, as does all that nothing reads any more. The constant is
    multiplied into the convolution, norm or linear layer before it (through Relu where no number is
    negative, sums, pools and per-channel constants), or into all layers after it; `x + x v`
    folds as 1 + v. What cannot fold stays a product with a constant.

    Parameters
    ----------
    model
        An ONNX file or model; it is left as it was. The operator set, names, metadata and the
        quantisation are kept.
    data
        Where the means come from: a recording of this model or its directory, the table that
        `stripe.stats.channel_moments` made of one, or a vector for each gate, by name.
    gates
        Which gates: "all", names, a pattern with * and ?, or a predicate of `Gate`.
    fold
        Whether constants fold, or all stay constant products.
    epoch
        Epoch of a recording or its moments. Default: the last.
    force
        Take the means even if they were recorded from another model.
    image_shape
        (C, H, W) of the images that the comparison runs on. Default: as recorded, else as the graph
        says.

    Returns
    -------
    Frozen
        The model, checked by `onnx.checker`, a report, and the error of folding.

    Raises
    ------
    UnknownNameError
        If a gate is not in the graph, or the data does not have it.
    ModelError
        If a mean does not have the gate's number of channels, or is not finite; if the means were
        recorded from another model (without `force`); if folding changes a tensor by more than
        rounding.

    Notes
    -----
    In a quantised graph (QuantizeLinear and DequantizeLinear around its layers) constants are
    quantised as the gates were, and do not fold: weights would have to be quantised anew.
    """
    model = model if isinstance(model, ModelProto) else load_model(model)
    _check_recorded(model, data, epoch, force)
    means, recorded_shape = constants(data, epoch)
    original = Graph(model)
    places = chosen_places(original, gates)
    vectors = {place.gate.name: _vector(place, means) for place in places}
    constant, quantised = _constant_model(original, places, vectors)
    folded = ModelProto()
    folded.CopyFrom(constant)
    graph = Graph(folded, original.shapes)
    sites = [(place, site) for place in places for site in place.sites]
    reports: dict[str, list[tuple[str, str]]] = {place.gate.name: [] for place in places}
    probes: list[str] = []
    for place, site in sites:
        name = place.gate.name
        if not fold or site.product in quantised:
            reason = "folding is off" if not fold else f"{quantised[site.product]} is quantised"
            reports[name].append(("", reason))
            continue
        into, reason, beside = fold_site(graph, site, vectors[name])
        reports[name].append((into, reason))
        probes += beside
    graph.remove_dead()
    try:
        onnx.checker.check_model(folded)
    except onnx.checker.ValidationError as error:
        raise ModelError(
            f"the frozen graph is not valid ONNX: {str(error).splitlines()[0]}"
        ) from error
    shape = image_shape or recorded_shape
    apart = compare(constant, folded, probes, shape) if probes else 0.0
    return Frozen(folded, _report(reports), apart)


def _check_valid(model: ModelProto) -> None:
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"the frozen graph is not valid ONNX: {reason}") from error


def _constant_model(
    original: Graph, places: list[Place], vectors: Mapping[str, np.ndarray]
) -> tuple[ModelProto, dict[str, str]]:
    """Return the model with constants in the place of gates, and the quantised products."""
    constant = ModelProto()
    constant.CopyFrom(original.model)
    graph = Graph(constant, original.shapes)
    quantised = {}
    for place in places:
        for site in place.sites:
            if (node := put_constant(graph, site, vectors[place.gate.name])) is not None:
                quantised[site.product] = node
    graph.refresh()
    graph.remove_dead()
    return constant, quantised


def _vector(place: Place, means: Mapping[str, np.ndarray]) -> np.ndarray:
    name, channels = place.gate.name, place.gate.channels
    if name not in means:
        raise UnknownNameError(f"the means have no gate {name!r}; they have {listed(list(means))}")
    vector = np.asarray(means[name], dtype=np.float64)
    if vector.shape != (channels,) or not np.isfinite(vector).all():
        raise ModelError(
            f"the mean of {name!r} must be {channels} finite numbers, got shape {vector.shape}"
        )
    return vector


def _check_recorded(model: ModelProto, data: Means, epoch: int | None, force: bool) -> None:
    """Raise if means were recorded from another model."""
    if force or not isinstance(data, Recording | str | Path):
        return
    recorded = open_recording(data).weights(epoch)
    if recorded is not None and recorded != (mine := fingerprint(model)):
        raise ModelError(
            f"the means must be recorded from this model (SHA-256 {mine[:12]}), got a recording of "
            f"another ({recorded[:12]}); record this one, or take these means all the same with "
            "force=True (--force)"
        )


def _report(reports: Mapping[str, list[tuple[str, str]]]) -> pd.DataFrame:
    rows = [
        {
            "gate": gate,
            "frozen": True,
            "folded": all(not reason for _, reason in sites),
            "into": ", ".join(dict.fromkeys(into for into, _ in sites if into)),
            "reason": "; ".join(dict.fromkeys(reason for _, reason in sites if reason)),
        }
        for gate, sites in reports.items()
    ]
    return pd.DataFrame(rows, columns=["gate", "frozen", "folded", "into", "reason"])
