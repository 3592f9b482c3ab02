"""A graph in which each run can switch any gate to its constant."""

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, TensorProto, helper

from stripe.errors import ModelError
from stripe.onnx.copied import copy_message
from stripe.onnx.graph import Graph
from stripe.onnx.places import GraphPlace
from stripe.onnx.replace import constant_of

#: The weight with one switch per gate, true if the gate is frozen. It is an input with a default.
SWITCHES = "stripe.frozen"

#: The first operator set that has Where.
_HAS_WHERE = 9


def switched(
    graph: Graph, places: Sequence[GraphPlace], vectors: Sequence[np.ndarray]
) -> ModelProto:
    """Return a copy of a graph in which the weight `SWITCHES` sets which gates are constants.

    Parameters
    ----------
    graph
        The graph, which is not changed.
    places, vectors
        The gates, and the constant of each gate.

    Raises
    ------
    ModelError
        If the operator set has no Where.
    """
    if graph.opset < _HAS_WHERE:
        raise ModelError(
            f"switching gates needs operator set {_HAS_WHERE} or later, got {graph.opset}; export "
            "the model again, or convert it with onnx.version_converter"
        )
    model = copy_message(graph.model)
    # Before version 4 of the format, onnxruntime accepts no other value for a weight.
    model.ir_version = max(model.ir_version, 4)
    copy = Graph(model, graph.shapes)
    copy.add_constant(SWITCHES, np.zeros(len(places), dtype=bool))
    value = helper.make_tensor_value_info(SWITCHES, TensorProto.BOOL, [len(places)])
    model.graph.input.append(value)
    for number, (place, vector) in enumerate(zip(places, vectors, strict=True)):
        index = copy.add_constant(f"{SWITCHES}.{number}.index", np.array(number, dtype=np.int64))
        switch = copy.new_name(f"{SWITCHES}.{number}")
        model.graph.node.append(helper.make_node("Gather", [SWITCHES, index], [switch]))
        for site in place.sites:
            product = copy.producer(site.product)
            assert product is not None
            constant = copy.add_constant(f"{switch}.constant", constant_of(copy, site, vector))
            chosen = copy.new_name(f"{switch}.chosen")
            inputs = [switch, constant, product.input[site.index]]
            model.graph.node.append(helper.make_node("Where", inputs, [chosen]))
            product.input[site.index] = chosen
    return model
