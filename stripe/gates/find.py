"""Find the gates of a model: trace its multiplications, and decide which of them are gates."""

from collections.abc import Collection, Iterator
from math import prod

from torch import Tensor, nn

from stripe.asr import Gated
from stripe.errors import ModelError
from stripe.gates.copies import copied_from
from stripe.gates.evidence import groups_in_rows, is_channel_axis, is_map, is_quantiser
from stripe.gates.merged_pieces import merged, owner_products, uniquely_named
from stripe.gates.missed import missed
from stripe.gates.place import Place as Place
from stripe.gates.shape import Shape, gate_shape, spatial_shape
from stripe.gates.squeeze import squeeze_of
from stripe.gates.tracing.example import checked_example, valid_example
from stripe.gates.tracing.steps import Trace
from stripe.gates.tracing.trace import trace
from stripe.recording import Gate, Gates
from stripe.registry import listed
from stripe.typed import typed
from stripe.warn import warn

#: The kinds that `find_gates` returns by default.
DEFAULT_KINDS = ("gate", "split", "constant")
KINDS = (*DEFAULT_KINDS, "response", "spatial")


@typed
def find_gates(
    model: nn.Module, example: Tensor, *, kinds: Collection[str] = DEFAULT_KINDS
) -> Gates:
    """Find where `model` multiplies a feature map by a gate, by tracing one forward pass.

    A gate is a tensor that multiplies a feature map, with one number per channel (kind "spatial":
    per position). Usually it depends on the image and is bounded by a function such as sigmoid; the
    kinds "constant" and "response" are exceptions. Class names are not used, so the search works in
    the same way for networks of torchvision, of timm and of your own, compiled or not. The pass
    runs in evaluation mode. If the model supports the meta device, the pass runs there, without
    computation; under autocast, it runs on the device of the model.

    Parameters
    ----------
    model
        Any network. It is not changed.
    example
        A batch of at least 2 images, (B, C, H, W), of the size that the model is used for.
    kinds
        Kinds to return, which `Gate` describes: "gate", "split", "constant", "response" or
        "spatial". Default: "gate", "split" and "constant".

    Returns
    -------
    Gates
        A list of `Gate`, in the order of their multiplications. It is empty if no gate of these
        kinds is found.

    Raises
    ------
    ModelError
        In one of these cases:

        - the example is not a batch of images, or does not fit the model;
        - a kind does not exist;
        - the model or one of its modules is scripted, quantised to int8 or sharded (FSDP), or has
          lazy parameters, which have no shape before the first forward pass.

    Warns
    -----
    UserWarning
        In one of these cases:

        - the example is a single image, (1, C, H, W);
        - the example is (C, H, W), the network has two-dimensional convolutions, and no gate is
          found;
        - a factor per channel is left out because no function such as sigmoid bounds it (only with
          the default `kinds`);
        - the example is so small that a gate multiplies feature maps of 1 x 1, where it cannot be
          distinguished from other factors;
        - a factor looks like a gate but cannot be recorded, for one of these reasons: it was
          computed outside torch, functions copy it to every position, its first dimension is not
          the batch, every channel is an item of the batch dimension, a loop processes one image
          (C, H, W) at a time, or the operation is a `lerp`, a `torch._foreach_mul` or a division;
        - a constant below 1 scales the gated features, and the recorded gate does not include this
          constant.

    Notes
    -----
    These are not found:

    - attention that adds to the features (the context block of GCNet) or multiplies by a matrix;
    - constants that `stripe.insert` did not add, for example those of LayerScale;
    - gates over height or width alone (coordinate attention);
    - the scales of a dynamic quantiser.

    A factor per channel that `stripe.insert` added always counts as a gate. Other factors count as
    bounded if a function such as sigmoid, tanh, softmax or clamp, or a comparison, bounds them. An
    unbounded factor per channel has the kind "response". An unbounded spatial map is not returned.

    A tensor (B, C, 1) that multiplies (B, C, T) counts as a gate only if it is bounded and the
    features come from a convolution, norm or linear layer with the channels C. Otherwise it may be
    a weight per token or part of an RMS norm, and is not returned. A factor (B, 1, C) that
    multiplies (B, T, C) counts as a gate of T tokens with channels last. If the features are planes
    (B, C, H, W) that were flattened to (B, C, H W), a factor (B, 1, H W) is not returned.

    A gate that a loop computes for one image (1, C, H, W) at a time counts as one gate. If the loop
    drops the batch dimension, the gate cannot be recorded. If the batch dimension also holds
    frames, patches or flipped copies of each image, `per_image_values` gives their number. Groups
    of channels in the batch dimension, as in shuffle attention, count as channels of one gate.

    Examples
    --------
    >>> [gate.name for gate in stripe.find_gates(model, images)]
    ['layer1.0.bn2.gate', 'layer2.0.bn2.gate', 'layer3.0.bn2.gate']
    """
    if isinstance(kinds, str) or (unknown := set(kinds) - set(KINDS)):
        came = kinds if isinstance(kinds, str) else sorted(unknown)[0]
        raise ModelError(f"kinds are several of {', '.join(KINDS)}, got {came!r}")
    found = find_places(model, checked_example(example))
    if set(kinds) == set(DEFAULT_KINDS) and (why := unbounded(found)):
        warn(f"{why}; kinds=['response'] lists them")
    return Gates(place.gate for place in found if place.gate.kind in kinds)


def unbounded(found: Collection[Place]) -> str:
    """Return a message that names the unbounded factors per channel, or "" if there is none."""
    names = [place.gate.name for place in found if place.gate.kind == "response"]
    if not names:
        return ""
    return (
        "factors per channel that no function such as sigmoid bounds are left out, "
        f"{listed(names, 3)}; in Python, gates=lambda gate: True records them"
    )


def find_places(model: nn.Module, example: Tensor) -> list[Place]:
    """Return every gate that `find_gates` can find, of any kind, and where it is."""
    watched = trace(model, valid_example(example))
    found = places(watched)
    if not found and example.ndim == 3 and any(isinstance(m, nn.Conv2d) for m in model.modules()):
        warn(
            f"the example, of shape {tuple(example.shape)}, counts as {len(example)} signals; for "
            "a single image (C, H, W), give image[None]"
        )
    for why in missed(watched, {place.step for place in found}):
        warn(why)
    return found


def places(watched: Trace) -> list[Place]:
    """Return every gate of any kind in a trace, under a unique name.

    A gate that multiplies several times has its last place.
    """
    found: dict[int, Place] = {}
    for number, step in enumerate(watched.steps):
        if step.op != "mul" or len(step.inputs) != 2:
            continue
        for features, operand in (step.inputs, step.inputs[::-1]):
            if watched.nodes[features].depends:
                for place in _places_at(watched, number, features, operand):
                    root = watched.root(place.operand)
                    found.pop(root, None)
                    found[root] = place
    return uniquely_named(merged(watched, list(found.values())))


def _places_at(watched: Trace, number: int, features: int, operand: int) -> Iterator[Place]:
    factors = _factors(watched, operand)
    for factor in factors:
        shape = _shape(watched, features, factor)
        kind = shape and _kind(watched, number, (features, factor), shape)
        hook = watched.maker(watched.root(factor), number)
        if shape and kind and (hook or factors == (operand,)):
            count = _count(watched, number, shape) if factors == (operand,) else None
            yield _place(watched, number, (features, factor), shape, kind, hook, count)


def _factors(watched: Trace, operand: int) -> tuple[int, ...]:
    """Return the operand, what was copied to all its places, or the factors of which it is made.

    CBAM's is the product of a channel gate and a spatial map.
    """
    if (source := copied_from(watched, operand)) != operand:
        return (source,)
    made = watched.nodes[watched.root(operand)].step
    step = None if made is None else watched.steps[made]
    if step is None or step.op != "mul" or len(step.inputs) != 2:
        return (operand,)
    whole = watched.nodes[operand].compact
    parts = [watched.nodes[node].compact for node in step.inputs]
    outer = all(1 in part[1:] and part != whole for part in parts)
    return step.inputs if outer else (operand,)


def _shape(watched: Trace, features: int, operand: int) -> Shape | None:
    of_features, of_gate = watched.nodes[features].shape, watched.nodes[operand].compact
    shape = gate_shape(of_features, of_gate)
    if shape is not None and shape.layout == "NC11" and of_gate[0] == of_features[0]:
        return shape._replace(rows=groups_in_rows(watched, features))
    return shape or spatial_shape(of_features, of_gate)


def _kind(watched: Trace, step: int, nodes: tuple[int, int], shape: Shape) -> str | None:
    """Return the kind of gate, None if it is no gate."""
    features, operand = nodes
    node = watched.nodes[operand]
    ours = watched.calls[watched.steps[step].call].kind is Gated
    if not node.depends:
        return "constant" if ours and not shape.spatial else None
    if shape.spatial:
        return "spatial" if node.bounded else None
    if shape.layout == "N1C" and not ours and is_map(watched, features, 2):
        return None
    if shape.layout == "NC1" and not (node.bounded and is_channel_axis(watched, features, 1)):
        return "gate" if ours else None
    if is_quantiser(watched, step, features, operand):
        return None
    if not node.bounded and not ours:
        return "response"
    return "split" if shape.layout == "NRC11" and _summed(watched, step) else "gate"


def _summed(watched: Trace, number: int) -> bool:
    """Tell whether the branches of a product are summed, which makes it a choice among them."""
    product = watched.steps[number].outputs[0]
    readers = (step for step in watched.steps[number + 1 :] if product in step.inputs)
    return any(step.op in ("sum", "mean", "unbind", "select") for step in readers)


def _place(
    watched: Trace,
    number: int,
    nodes: tuple[int, int],
    shape: Shape,
    kind: str,
    hook: str | None,
    count: int | None,
) -> Place:
    features, operand = nodes
    step = watched.steps[number]
    call = watched.calls[step.call]
    origin = watched.root(features)
    producing = watched.nodes[origin].step
    product = step.outputs[0]
    maker = watched.maker(origin, number)
    if maker is not None and not _rows_of(watched, watched.output_of(maker), features):
        maker = None
    alone = watched.times(call.module) == 1 and watched.first_argument(call) == origin
    gate = Gate(
        name=hook or _own_name(watched, call.module, count),
        owner=call.module,
        owner_class=call.kind.__name__,
        channels=shape.channels * shape.rows,
        groups=shape.groups,
        kind=kind,
        layout=shape.layout,
        producer="" if producing is None else watched.module_of(producing),
        consumers=tuple(dict.fromkeys(_readers(watched, product, number))),
        dtype=str(watched.nodes[operand].dtype).removeprefix("torch."),
        spatial=shape.spatial,
        per_image_values=_values_per_image(watched, operand, shape, hook),
    )
    return Place(
        gate=gate,
        shape=shape,
        step=number,
        features=features,
        operand=operand,
        product=product,
        hook=hook,
        input_hook=maker,
        first_argument=alone and _rows_of(watched, call.inputs[0], features),
        squeeze=squeeze_of(watched, features, shape, number),
        count=count,
        period=len(owner_products(watched, call.module, shape.of_signals)),
        static=watched.static and not watched.nodes[operand].ordered,
    )


def _values_per_image(watched: Trace, operand: int, shape: Shape, hook: str | None) -> int:
    """Return how many rows of the gate each image has, 0 where they cannot be shared out."""
    node = watched.nodes[operand if hook is None else watched.output_of(hook)]
    height, width = shape.spatial or (1, 1)
    values = shape.channels * shape.rows * height * width
    rows, images = prod(node.compact) // values, watched.input_shape[0]
    if not node.depends:
        return 1
    return 0 if rows % images else rows // images


def _rows_of(watched: Trace, node: int, features: int) -> bool:
    """Tell whether a tensor has a row wherever the features that it becomes have one."""
    return watched.nodes[node].shape[:1] == watched.nodes[features].shape[:1]


def _own_name(watched: Trace, owner: str, count: int | None) -> str:
    """Name a gate that no module outputs, after its owner."""
    name = owner or watched.calls[0].kind.__name__
    return f"{name}:{count}" if count else name


def _count(watched: Trace, number: int, shape: Shape) -> int:
    """Count the owner's multiplications by something of the shape of a gate before this one."""
    alike = owner_products(watched, watched.module_of(number), shape.of_signals)
    return sum(step < number for step, _ in alike)


def _readers(watched: Trace, product: int, after: int) -> Iterator[str]:
    """Yield the modules whose steps read the product, past what only passes it on."""
    for number in range(after + 1, len(watched.steps)):
        step = watched.steps[number]
        same = any(watched.root(output) == product for output in step.outputs)
        if not same and product in {watched.root(node) for node in step.inputs}:
            yield watched.module_of(number)
