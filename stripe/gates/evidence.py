"""Evidence for `find.py`: which axis of a product has channels, and if a quantiser scales it."""

from stripe.gates.axis import axis_before
from stripe.gates.tracing.steps import Step, Trace

#: Layers whose output has its channels in the first dimension after the images', or in the last.
_FIRST = {"convolution", "native_group_norm", "instance_norm", "prelu"} | {
    *("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_batch_norm_no_update"),
    *(
        "_native_batch_norm_legit_no_training",
        "_native_batch_norm_legit",
        "_batch_norm_with_update",
    ),
}
_LAST = {"native_layer_norm", "mm", "addmm", "bmm", "baddbmm", "linear", "embedding"}

#: Operations that give the values another shape.
VIEWS = {"view", "_unsafe_view", "reshape", "_reshape_alias"}

#: Operations between the two scalings of a quantiser, each value from the one at the same place.
_BETWEEN = {"round", "clamp", "add", "sub", "_to_copy", "clone", "detach", "view", "mul", "div"}

#: Operations from a quantiser's range to its scale.
_SCALARS = {*_BETWEEN, "reciprocal", "clamp_min", "maximum", "pow", "expand", "unsqueeze"}


def is_channel_axis(watched: Trace, node: int, axis: int) -> bool:
    """Tell whether the layer that made a tensor has its channels along an axis.

    The tensor is followed back, through operations that keep or move the axis, to the nearest
    convolution, norm or linear layer.
    """
    return _layer_along(watched, node, axis) is not None


def is_map(watched: Trace, node: int, axis: int) -> bool:
    """Tell whether an axis, the last of a tensor, holds the places of planes in a row.

    The planes come from a convolution or norm, with their channels in the dimension before.
    """
    layer = None if axis < 2 else _layer_along(watched, node, axis - 1)
    return layer is not None and len(watched.nodes[layer].shape) > len(watched.nodes[node].shape)


def _layer_along(watched: Trace, node: int, axis: int) -> int | None:
    """Return the output of the layer that made a tensor, if its channels are along an axis."""
    while (made := watched.nodes[node].step) is not None:
        step, shape = watched.steps[made], watched.nodes[node].shape
        if step.op in _FIRST or step.op in _LAST:
            return node if axis == (1 if step.op in _FIRST else len(shape) - 1) else None
        before = next((n for n in step.inputs if watched.nodes[n].depends), None)
        if before is None:
            return None
        earlier = axis_before(step, watched.nodes[before].shape, shape, axis)
        if earlier is None:
            return None
        node, axis = before, earlier
    return None


def groups_in_rows(watched: Trace, node: int) -> int:
    """Return how many groups of channels of each image were made rows of a batch; 1 if none were.

    A module may view features (B, C, H, W) as (B G, C / G, H, W). Frames of an image, which a model
    views in the same way, are not made by a layer along these channels.
    """
    images = watched.input_shape[0]
    rows = watched.nodes[node].shape[0]
    while rows > images and (made := watched.nodes[node].step) is not None:
        step = watched.steps[made]
        before = next((n for n in step.inputs if watched.nodes[n].depends), None)
        if before is None:
            return 1
        source, here = watched.nodes[before].shape, watched.nodes[node].shape
        if source[:1] == (images,):
            grouped = source[1:2] == (rows // images * here[1],) and source[2:] == here[2:]
            viewed = step.op in VIEWS and not rows % images
            return rows // images if viewed and grouped and _of_layer(watched, before) else 1
        if source[:1] != (rows,):
            return 1
        node = before
    return 1


def _of_layer(watched: Trace, node: int) -> bool:
    return is_channel_axis(watched, node, 1)


def is_quantiser(watched: Trace, number: int, features: int, operand: int) -> bool:
    """Tell whether a product undoes, or is undone by, another scaling by the same numbers.

    A dynamic quantiser divides by a range of the image, rounds, and multiplies by it again.
    """
    if not any(step.op == "round" for step in watched.steps):
        return False
    before, after = {features}, {watched.steps[number].outputs[0]}
    earlier = [s for s in reversed(watched.steps[:number]) if _reaches(s, s.outputs, before)]
    later = [s for s in watched.steps[number + 1 :] if _reaches(s, s.inputs, after)]
    return any(
        any(step.op == "round" for step in way)
        and any(_range(watched, by) == _range(watched, operand) for by in _scales(watched, way))
        for way in (earlier, later)
    )


def _reaches(step: Step, near: tuple[int, ...], reached: set[int]) -> bool:
    """Tell whether a step works elementwise on a reached node, and add its result."""
    if step.op not in _BETWEEN or reached.isdisjoint(near):
        return False
    reached.update(step.inputs if near is step.outputs else step.outputs)
    return True


def _scales(watched: Trace, way: list[Step]) -> list[int]:
    """Return the operands of products and divisions on the way that depend on the input."""
    scalings = [step for step in way if step.op in ("mul", "div") and len(step.inputs) == 2]
    return [n for step in scalings for n in step.inputs if watched.nodes[n].depends]


def _range(watched: Trace, node: int) -> int:
    """Return the tensor from which a scale is made by numbers alone."""
    while (made := watched.nodes[node].step) is not None:
        step = watched.steps[made]
        depending = [n for n in step.inputs if watched.nodes[n].depends]
        if step.op not in _SCALARS or len(depending) != 1:
            break
        node = depending[0]
    return node
