"""`stripe.onnx.freeze`, one call of the plan of `plan.py`."""

from pathlib import Path

from onnx import ModelProto

from stripe.gates.freezing.means import Means
from stripe.onnx.plan import FrozenGraph, plan
from stripe.select import Selection
from stripe.typed import typed


@typed
def freeze(
    model: str | Path | ModelProto,
    data: Means,
    *,
    gates: Selection = "all",
    fold: bool = True,
    epoch: int | None = None,
    force: bool = False,
    image_shape: tuple[int, ...] | None = None,
) -> FrozenGraph:
    """Replace gates of an ONNX graph by their means over images, and fold each constant.

    The branch that computed a gate is removed, with all nodes that are no longer used. The constant
    is multiplied into the convolution, norm or linear layer before the product, or into all layers
    after it. Between the layer and the product there may be sums, pooling, per-channel constants
    and, if no element of the constant is negative, Relu. For `x + x v`, the factor 1 + v is folded.
    If a constant cannot be folded, its product remains in the graph.

    Parameters
    ----------
    model
        An ONNX file or model. It is not changed. The frozen model has the same operator set, names,
        metadata and quantisation.
    data
        Source of the means: a recording of this model or its directory, its table from
        `stripe.stats.channel_moments`, or a mapping from names of gates to vectors (C,).
    gates
        Gates to freeze: "all", names, a pattern with * and ?, or a predicate of `Gate`. Only a
        predicate also chooses among gates of the kind "response".
    fold
        Whether to fold constants into layers. If False, the products with all constants remain in
        the graph.
    epoch
        Epoch of the recording or of its moments. Default: the last.
    force
        Use the means even if they were recorded with another model.
    image_shape
        (C, H, W) of the images on which the error is measured. Default: the recorded shape, or else
        the shape in the graph, with 3 channels and 224 pixels for dimensions that the graph leaves
        open.

    Returns
    -------
    FrozenGraph
        The model (checked by `onnx.checker`), a report, and the error of folding.

    Raises
    ------
    UnknownNameError
        If a gate is not in the graph or not in the data.
    RecordingError
        If the recording cannot be read, or the epoch was not recorded.
    ModelError
        As for `stripe.onnx.find_gates`, and in these cases:

        - the graph has no gates, or is not valid ONNX;
        - the number of channels of a mean differs from that of its gate, or a mean is not finite;
        - the means were recorded with another model (without `force`);
        - folding changes a tensor by more than rounding, or onnxruntime cannot run the graph.

    Notes
    -----
    In a quantised graph (with QuantizeLinear and DequantizeLinear around its layers), constants are
    quantised in the same way as the gates. They do not fold, because the weights would have to be
    quantised again.

    Examples
    --------
    >>> loader = [torch.rand(8, 3, 24, 24)]
    >>> recording = stripe.onnx.record("model.onnx", loader, "runs/onnx", progress=False)
    >>> frozen = stripe.onnx.freeze("model.onnx", recording)
    >>> frozen.save("smaller.onnx")
    >>> stripe.onnx.find_gates("smaller.onnx")
    []
    """
    return plan(model, data, epoch=epoch, force=force, image_shape=image_shape).freeze(
        gates, fold=fold
    )
