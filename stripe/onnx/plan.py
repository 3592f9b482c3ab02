"""Find the gates of a graph once, and freeze any of them many times by `replace.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
from onnx import ModelProto

from stripe.errors import ModelError
from stripe.gates.fingerprint import recorded_weights
from stripe.gates.freezing.means import Means, constants, vector_of
from stripe.onnx.compare import compare
from stripe.onnx.copied import copy_message
from stripe.onnx.find import chosen_places, find_graph_places
from stripe.onnx.graph import Graph
from stripe.onnx.load import fingerprint, load_model, save_model
from stripe.onnx.places import GraphPlace, Site
from stripe.onnx.replace import fold_site, put_constant
from stripe.select import Selection
from stripe.typed import typed


@dataclass(frozen=True)
class FrozenGraph:
    """An ONNX model with frozen gates.

    Parameters
    ----------
    model
        The model.
    report
        One row per chosen gate:

        - gate; frozen, always True;
        - folded: whether the constant was folded at every product of the gate;
        - into: names of the nodes that absorbed the constant, with commas between them;
        - reason: why a product remains; "" if none remains.
    error
        The largest difference between the model and the same model with unfolded constants, on
        random images, over all outputs and the tensors next to the folded gates. Each difference is
        divided by the largest value of its tensor. For bounded tensors, such as probabilities, the
        divisor is at least 1. For integers, it is the share of values that differ. If nothing was
        folded, it is 0.

    Examples
    --------
    >>> means = {gate.name: [0.5] * gate.channels for gate in stripe.onnx.find_gates("model.onnx")}
    >>> frozen = stripe.onnx.freeze("model.onnx", means)
    >>> frozen.report["folded"].tolist(), frozen.error < 1e-4
    ([True, True], True)
    >>> frozen.save("frozen.onnx")
    """

    model: ModelProto
    report: pd.DataFrame
    error: float

    def save(self, path: str | Path) -> None:
        """Write the model to a file.

        Raises
        ------
        StripeError
            If the file cannot be written, or the model has 2 GiB or more.
        """
        save_model(self.model, Path(path).expanduser())


@dataclass(frozen=True)
class GraphPlan:
    """The gates of a graph and their constants; any of these gates can be frozen.

    Parameters
    ----------
    original
        The graph.
    places
        Its gates, of every kind.
    means
        The constants, by the name of the gate.
    image_shape
        (C, H, W) of the images on which a fold is checked. None: the shape in the graph.
    """

    original: Graph
    places: Sequence[GraphPlace]
    means: Mapping[str, np.ndarray]
    image_shape: tuple[int, ...] | None

    def freeze(self, gates: Selection = "all", *, fold: bool = True) -> FrozenGraph:
        """Freeze chosen gates in a copy of the graph, as `stripe.onnx.freeze` does."""
        chosen = chosen_places(self.places, gates)
        vectors = {place.gate.name: vector_of(place.gate, self.means) for place in chosen}
        constant, quantised = self._constant(chosen, vectors)
        graph = Graph(copy_message(constant), self.original.shapes)
        rows, probes = [], []
        for place in chosen:
            fates = []
            for site in place.sites:
                into, reason, beside = (
                    _unfolded(site, quantised)
                    if not fold or site.product in quantised
                    else fold_site(graph, site, vectors[place.gate.name])
                )
                fates.append((into, reason))
                probes += beside
            rows.append(_row(place, fates))
        graph.remove_dead()
        _check_valid(graph.model, self.original.model)
        error = compare(constant, graph.model, probes, self.image_shape) if probes else 0.0
        report = pd.DataFrame(rows, columns=["gate", "frozen", "folded", "into", "reason"])
        return FrozenGraph(graph.model, report, error)

    def constant(self, gates: Selection = "all") -> ModelProto:
        """Return the graph of `freeze(gates, fold=False)`."""
        return self.freeze(gates, fold=False).model

    def _constant(
        self, chosen: Sequence[GraphPlace], vectors: Mapping[str, np.ndarray]
    ) -> tuple[ModelProto, dict[str, str]]:
        """Return the model with constants instead of gates, and the quantised products."""
        graph = Graph(copy_message(self.original.model), self.original.shapes)
        quantised = {}
        for place in chosen:
            for site in place.sites:
                if (node := put_constant(graph, site, vectors[place.gate.name])) is not None:
                    quantised[site.product] = node
        graph.refresh()
        graph.remove_dead()
        return graph.model, quantised


@typed
def plan(
    model: str | Path | ModelProto,
    data: Means,
    *,
    epoch: int | None = None,
    force: bool = False,
    image_shape: tuple[int, ...] | None = None,
) -> GraphPlan:
    """Find the gates of a graph once, so that different sets of them can be frozen.

    The result has the method `freeze(gates="all", fold=True)`, which returns a `FrozenGraph`.
    Arguments and errors are those of `stripe.onnx.freeze`.

    Examples
    --------
    >>> means = {gate.name: [0.5] * gate.channels for gate in stripe.onnx.find_gates("model.onnx")}
    >>> plan = stripe.onnx.plan("model.onnx", means)
    >>> [plan.freeze([name]).report["folded"].item() for name in means]
    [True, True]
    """
    model = load_model(model)
    if not force:
        _check_recorded(model, data, epoch)
    means, recorded_shape = constants(data, epoch)
    graph = Graph(model)
    return GraphPlan(graph, find_graph_places(graph), means, image_shape or recorded_shape)


def _unfolded(site: Site, quantised: Mapping[str, str]) -> tuple[str, str, list[str]]:
    """Return the result of `fold_site` for a product that keeps its constant."""
    node = quantised.get(site.product)
    return "", "folding is off" if node is None else f"{node} is quantised", []


def _row(place: GraphPlace, fates: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Return the row of a gate in the report, from the result for each of its products."""
    return {
        "gate": place.gate.name,
        "frozen": True,
        "folded": all(not reason for _, reason in fates),
        "into": ", ".join(dict.fromkeys(into for into, _ in fates if into)),
        "reason": "; ".join(dict.fromkeys(reason for _, reason in fates if reason)),
    }


def _check_valid(model: ModelProto, before: ModelProto) -> None:
    """Raise an error if the frozen graph is not valid."""
    if reason := _invalid(model):
        name = "graph" if _invalid(before) else "frozen graph"
        raise ModelError(f"the {name} is not valid ONNX: {reason}; export the model again")


def _invalid(model: ModelProto) -> str:
    """Return why a model is not valid ONNX, in one line; "" if it is."""
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        return str(error).splitlines()[0]
    return ""


def _check_recorded(model: ModelProto, data: Means, epoch: int | None) -> None:
    """Raise an error if the means were recorded with another model."""
    recorded = recorded_weights(data, epoch)
    if recorded is not None and recorded != (mine := fingerprint(model)):
        raise ModelError(
            f"the means must be recorded from this model (SHA-256 {mine[:12]}), got a recording of "
            f"another ({recorded[:12]}); record this one, or use these means anyway with "
            "force=True (--force)"
        )
