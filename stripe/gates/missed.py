"""Products that look like gates but cannot be recorded."""

from collections import Counter
from collections.abc import Collection, Iterator
from math import prod

from stripe.gates.copies import STRETCH
from stripe.gates.evidence import VIEWS, is_channel_axis, is_quantiser
from stripe.gates.shape import gate_shape
from stripe.gates.tracing.steps import Trace

#: Operations that compute each value from the one at the same place.
_ELEMENTWISE = {
    *("sigmoid", "hardsigmoid", "tanh", "hardtanh", "clamp", "add", "mul", "div", "sub", "neg"),
    *("clone", "_to_copy", "view", "rsub", "relu", "pow", "sqrt"),
}

#: Those whose other operand may be wider, as in zeros_like(x) + v.
_BROADCAST = {"add", "sub", "mul", "div"}

#: Operations other than a product that scale by a gate, with the positions of both operands.
_SCALINGS = {"lerp": (1, 2), "div": (0, 1)}

#: How a gate scales that numpy, for example, computed.
_OUTSIDE = "by a row of numbers per image that torch did not compute"
_AS_COLUMNS = "multiply by it as (B, C, 1, 1), which is repeated by itself"

#: Shape of a tensor, with 1 for each dimension along which all its values are equal.
_Compact = tuple[int, ...]


def missed(watched: Trace, found: Collection[int]) -> Iterator[str]:
    """Yield the reasons why products that look like those of gates cannot be recorded.

    Parameters
    ----------
    watched
        The forward pass.
    found
        Steps in which gates were found.
    """
    if (too_small := _of_one_place(watched)) is not None:
        owner, dims = too_small
        yield (
            f"the example is too small: {owner!r} has a feature map of one place, "
            f"{' x '.join('1' * (dims - 2))}, where a gate cannot be told from any other product; "
            "give images of the model's own size"
        )
    named: dict[str, str] = {}
    for number in range(len(watched.steps)):
        if number not in found and (how := _scales_otherwise(watched, number)):
            named.setdefault(how, watched.module_of(number) or "the model itself")
    for how, owner in named.items():
        remedy = "compute it in torch" if how == _OUTSIDE else _AS_COLUMNS
        yield f"{owner!r} scales channels {how}, from which no gate can be recorded; {remedy}"
    for number in found:
        if (scale := _scaled_after(watched, number)) is not None:
            yield (
                f"{watched.module_of(number) or 'the model itself'!r} multiplies the product of a "
                f"gate by {scale:g}, which the recorded gate lacks; write x * (gate * {scale:g})"
            )
    steps = range(len(watched.steps))
    alone = Counter(watched.module_of(n) for n in steps if _gates_image(watched, n))
    images = watched.input_shape[0]
    for owner, count in alone.items():
        if images > 1 and count % images == 0:  # a loop over images, and no product of two tokens
            yield (
                f"{owner or 'the model itself'!r} gates one image (C, H, W) at a time, and no gate "
                "can be recorded from it; give it each image as a batch of one, (1, C, H, W)"
            )


def _scales_otherwise(watched: Trace, number: int) -> str | None:
    """Return how a step scales channels by a gate, None if it does not."""
    step = watched.steps[number]
    inputs = step.inputs
    if step.op == "mul" and len(inputs) == 2:
        sides = (inputs, inputs[::-1])
        copied = any(
            _gates(watched, features, gate, _spread(watched, gate))
            for features, gate in sides
            if watched.nodes[features].shape == watched.nodes[gate].compact
        )
        if copied:
            return "by a gate that functions copy to every place"
        if any(_from_outside(watched, *pair) for pair in sides):
            return _OUTSIDE
        if any(_images_not_first(watched, *pair) for pair in sides):
            return "by a gate whose first dimension is not that of the images"
        rows = any(_channels_in_rows(watched, *pair) for pair in sides)
        return "by a gate whose channels are folded into the batch" if rows else None
    if step.op == "_foreach_mul" and len(inputs) % 2 == 0:
        half = len(inputs) // 2
        pairs = zip(inputs[:half], inputs[half:], strict=True)
        listed = any(_gates(watched, *pair, watched.nodes[pair[1]].compact) for pair in pairs)
        return "in torch._foreach_mul" if listed else None
    if step.op in _SCALINGS and len(inputs) > max(_SCALINGS[step.op]):
        features, gate = (inputs[place] for place in _SCALINGS[step.op])
        squashed = step.op == "div" and _is_logistic(watched, gate)
        if not _gates(watched, features, gate, watched.nodes[gate].compact, squashed=squashed):
            return None
        if step.op == "lerp":
            return "in torch.lerp"
        return None if is_quantiser(watched, number, features, gate) else "by a division"
    return None


def _scaled_after(watched: Trace, number: int) -> float | None:
    """Return the constant below 1 that scales a product afterwards, as in x * relu6(y) / 6."""
    (product,) = watched.steps[number].outputs[:1]
    readers = [step for step in watched.steps[number + 1 :] if product in step.inputs]
    if len(readers) != 1 or readers[0].op not in ("div", "mul") or len(readers[0].inputs) != 1:
        return None
    factor = next(iter(readers[0].scalars), None)
    if not isinstance(factor, int | float) or not factor:
        return None
    scale = 1 / factor if readers[0].op == "div" else factor
    return scale if 0 < scale < 1 else None


def _gates(
    watched: Trace, features: int, gate: int, compact: _Compact, *, squashed: bool = False
) -> bool:
    nodes = watched.nodes
    bounded = squashed or nodes[gate].bounded
    depends = nodes[gate].depends and nodes[features].depends
    shape = gate_shape(nodes[features].shape, compact) if bounded and depends else None
    return shape is not None and not shape.of_signals


def _is_logistic(watched: Trace, node: int) -> bool:
    """Tell whether the reciprocal of a tensor is a sigmoid written by hand, 1 + exp(-x)."""
    for op in ("add", "exp"):
        made = watched.nodes[watched.root(node)].step
        if made is None or watched.steps[made].op != op:
            return False
        node = next((n for n in watched.steps[made].inputs if watched.nodes[n].depends), node)
    return True


def _from_outside(watched: Trace, features: int, gate: int) -> bool:
    """Tell whether numbers (B, C, 1, 1) that no operation of torch made multiply features."""
    nodes, images = watched.nodes, watched.input_shape[0]
    shape, made = nodes[gate].compact, nodes[watched.root(gate)].step
    if made is not None or not nodes[features].depends or images < 2 or shape[:1] != (images,):
        return False
    found = gate_shape(nodes[features].shape, shape)
    return found is not None and not found.of_signals


def _gates_image(watched: Trace, number: int) -> bool:
    """Tell whether a gate (C, 1, 1) multiplies features (C, H, W), which have no dimension B."""
    step, nodes = watched.steps[number], watched.nodes
    if step.op != "mul" or len(step.inputs) != 2:
        return False
    for features, gate in (step.inputs, step.inputs[::-1]):
        whole, compact = nodes[features].shape, nodes[gate].compact
        squashed = nodes[gate].bounded and nodes[gate].depends and nodes[features].depends
        if squashed and len(whole) == 3 and prod(whole[1:]) > 1 and whole[0] > 1:
            return compact == (whole[0], 1, 1)
    return False


def _images_not_first(watched: Trace, features: int, gate: int) -> bool:
    """Tell whether a gate (1, B, C), or (B, C), multiplies features (T, B, C) as a sequence."""
    nodes, images = watched.nodes, watched.input_shape[0]
    whole, compact = nodes[features].shape, nodes[gate].compact
    if not (nodes[gate].bounded and nodes[gate].depends and nodes[features].depends):
        return False
    compact = (1,) * (len(whole) - len(compact)) + compact
    wide = [dim for dim, size in enumerate(compact) if size > 1]
    return (
        len(whole) > 2
        and len(wide) == 2
        and wide[0] > 0
        and compact[wide[0]] == images
        and all(compact[dim] == whole[dim] for dim in wide)
        and any(whole[dim] > 1 for dim in range(wide[0]))
    )


def _channels_in_rows(watched: Trace, features: int, gate: int) -> bool:
    """Tell whether a gate (B C, 1, 1) multiplies features (B C, H, W), a row for each channel."""
    nodes, images = watched.nodes, watched.input_shape[0]
    rows, compact = nodes[features].shape[:1], nodes[gate].compact
    if not (nodes[gate].bounded and nodes[gate].depends) or compact[:1] != rows:
        return False
    if prod(compact) != rows[0] or rows[0] <= images or len(nodes[features].shape) < 2:
        return False
    made = nodes[features].step
    step = None if made is None else watched.steps[made]
    if step is None or step.op not in VIEWS or not nodes[step.inputs[0]].depends:
        return False
    source = nodes[step.inputs[0]].shape
    return source[0] * prod(source[1:2]) == rows[0] and is_channel_axis(watched, step.inputs[0], 1)


def _spread(watched: Trace, node: int) -> _Compact:
    """Return the compact shape of a tensor, past operations that copy its values to places."""
    shape, compact = watched.nodes[node].shape, watched.nodes[node].compact
    made = watched.nodes[node].step
    if compact != shape or made is None:
        return compact
    step = watched.steps[made]
    depending = [n for n in step.inputs if watched.nodes[n].depends]
    if len(depending) != 1 or (len(step.inputs) != 1 and step.op not in _BROADCAST):
        return compact
    source = watched.nodes[depending[0]].shape
    earlier = _spread(watched, depending[0])
    aligned = step.op in _BROADCAST or step.op == "repeat"
    if aligned or (step.op in _ELEMENTWISE and source == shape):
        wide = (1,) * (len(shape) - len(source)) + earlier
    elif step.op in STRETCH:
        wide = earlier
    else:
        return compact
    return tuple(1 if one == 1 else size for one, size in zip(wide, shape, strict=True))


def _of_one_place(watched: Trace) -> tuple[str, int] | None:
    """Return the module that multiplies features of a single place like a gate, and their axes."""
    for number, step in enumerate(watched.steps):
        if step.op != "mul" or len(step.inputs) != 2:
            continue
        shapes = {watched.nodes[node].shape for node in step.inputs}
        plane = next(iter(shapes))
        if len(shapes) > 1 or len(plane) not in (4, 5) or prod(plane[1:]) != plane[1]:
            continue
        if plane[1] < 2:
            continue
        for features, operand in (step.inputs, step.inputs[::-1]):
            squashed = watched.nodes[operand].bounded and watched.nodes[features].depends
            if squashed and not _elementwise(watched, operand, watched.root(features)):
                return watched.module_of(number) or "the model itself", len(plane)
    return None


def _elementwise(watched: Trace, node: int, origin: int) -> bool:
    """Tell whether a tensor is an elementwise function of `origin`, as in x sigmoid(x)."""
    while watched.root(node) != origin:
        made = watched.nodes[watched.root(node)].step
        if made is None or watched.steps[made].op not in _ELEMENTWISE:
            return False
        depending = [n for n in watched.steps[made].inputs if watched.nodes[n].depends]
        if len(depending) != 1:
            return False
        node = depending[0]
    return True
