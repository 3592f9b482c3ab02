"""Replace gates of an ONNX graph by their means over images, and fold them."""

from pathlib import Path

from onnx import ModelProto

from stripe.gates.means import Means
from stripe.onnx.plan import FrozenGraph, plan
from stripe.select import Selection


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

    The branch that computed a gate is removed, with all nodes that nothing reads any more. The
    constant is multiplied into the convolution, norm or linear layer before it (past Relu if no
    number is negative, and past sums, pools and per-channel constants), or into all layers after
    it. `x + x v` folds as 1 + v. A constant that cannot fold stays a product.

    Parameters
    ----------
    model
        An ONNX file or model. It is not changed. The result keeps its operator set, names, metadata
        and quantisation.
    data
        Source of the means: a recording of this model or its directory, the table that
        `stripe.stats.channel_moments` made of one, or a vector for each gate, by name.
    gates
        Gates to freeze: "all", names, a pattern with * and ?, or a predicate of `Gate`.
    fold
        Whether to fold constants into layers. If False, all stay products.
    epoch
        Epoch of a recording or its moments. Default: the last.
    force
        Use the means even if they were recorded from another model.
    image_shape
        (C, H, W) of the images of the comparison. Default: the recorded shape, or else the shape in
        the graph.

    Returns
    -------
    FrozenGraph
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
    In a quantised graph (QuantizeLinear and DequantizeLinear around its layers), constants are
    quantised as the gates were. They do not fold, because the weights would have to be quantised
    again.

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
