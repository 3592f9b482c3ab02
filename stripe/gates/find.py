"""Find the gates of a model by watching it multiply."""

import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from stripe.asr import Gated
from stripe.errors import ModelError
from stripe.gates.layout import Shape, gate_shape, gated_side, spatial_shape
from stripe.gates.trace import Trace, checked_example, trace
from stripe.recording import Gate

#: What `find_gates` looks for unless told otherwise.
DEFAULT_KINDS = ("gate", "split", "constant")
KINDS = (*DEFAULT_KINDS, "response", "spatial")

#: Operations that compute each value from the one at the same place.
_ELEMENTWISE = {
    *("sigmoid", "hardsigmoid", "tanh", "hardtanh", "clamp", "add", "mul", "div", "sub", "neg"),
    *("clone", "_to_copy", "view"),
}


@dataclass(frozen=True)
class Place:
    """A gate, and where it is in the trace of a forward pass.

    Parameters
    ----------
    gate
        What it is.
    shape
        How it lies against the features.
    step
        The multiplication.
    features, operand, product
        The nodes: x, v and x v.
    hook, input_hook
        Names of modules that put out v and x, each called once; None where none does.
    first_argument
        Whether x is what the owner, called once, takes first.
    count
        Which of the owner's multiplications of a feature map by a gate it is, from 0; None if it
        multiplies together with a spatial map, as in CBAM.
    """

    gate: Gate
    shape: Shape
    step: int
    features: int
    operand: int
    product: int
    hook: str | None
    input_hook: str | None
    first_argument: bool
    count: int | None


def find_gates(
    model: nn.Module, example: Tensor, *, kinds: Collection[str] = DEFAULT_KINDS
) -> list[Gate]:
    """Find where `model` multiplies a feature map by a gate, by watching one forward pass.

    Nothing is taken from the names of classes: a gate is a tensor with one number per channel that
    depends on the image, was squashed into bounds, and multiplies a feature map. Networks of
    torchvision, timm and your own are treated alike, compiled or not. The pass runs in evaluation
    on the meta device where the model runs there, so that nothing is computed.

    Parameters
    ----------
    model
        Any network; it is left as it was.
    example
        A batch of at least 2 images, (B, C, H, W), of the size that the model is used with.
    kinds
        Which kinds to return: "gate", "split" and "constant" by default, also "response" and
        "spatial". `Gate` says what they are.

    Returns
    -------
    list of Gate
        In the order of the multiplications; empty if the model has none.

    Raises
    ------
    ModelError
        If the example is not a batch of images, a kind does not exist, or the model or a part of it
        is scripted.

    Warns
    -----
    UserWarning
        If the example is a single image, or so small that a gate would meet feature maps of 1 x 1,
        where it cannot be told from any other product.

    Notes
    -----
    Not found: attention that adds (a context block) or multiplies by `addcmul`, `lerp`, `einsum` or
    a division; constants (LayerScale); gates over height or width alone (coordinate attention);
    and a gate (B, C, 1) over (B, C, N), which looks the same as an RMS norm over the last of three
    dimensions. What is not squashed by a sigmoid, tanh, softmax, clamp or comparison counts as
    "response". A gate (B, 1, N) over (B, C, N) is taken for one of tokens with channels last.
    """
    if isinstance(kinds, str) or (unknown := set(kinds) - set(KINDS)):
        came = kinds if isinstance(kinds, str) else sorted(unknown)[0]
        raise ModelError(f"kinds are several of {', '.join(KINDS)}, got {came!r}")
    return [place.gate for place in find_places(model, example) if place.gate.kind in kinds]


def find_places(model: nn.Module, example: Tensor) -> list[Place]:
    """Return every gate that `find_gates` can find, of any kind, and where it is."""
    watched = trace(model, checked_example(example))
    if hidden := _hidden(watched):
        warnings.warn(
            f"the example is too small: {hidden!r} has a feature map of 1 x 1, where a gate cannot "
            "be told from any other product; give images of the model's own size",
            stacklevel=3,
        )
    return places(watched)


def places(watched: Trace) -> list[Place]:
    """Return every gate in a trace, of any kind; of one that multiplies twice, the last place."""
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
    return list(found.values())


def _places_at(watched: Trace, number: int, features: int, operand: int) -> Iterator[Place]:
    factors = _factors(watched, operand)
    for factor in factors:
        shape = _shape(watched, features, factor)
        kind = shape and _kind(watched, number, factor, shape)
        hook = watched.maker(watched.root(factor), number)
        if shape and kind and (hook or len(factors) == 1):
            count = _count(watched, number) if len(factors) == 1 else None
            yield _place(watched, number, (features, factor), shape, kind, hook, count)


def _factors(watched: Trace, operand: int) -> tuple[int, ...]:
    """Return the operand, or channel gate and spatial map if it is their product, as CBAM's."""
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
    return gate_shape(of_features, of_gate) or spatial_shape(of_features, of_gate)


def _kind(watched: Trace, step: int, operand: int, shape: Shape) -> str | None:
    """Return what kind of gate it is, None for none."""
    node = watched.nodes[operand]
    ours = watched.calls[watched.steps[step].call].kind is Gated
    if not node.depends:
        return "constant" if ours and not shape.spatial else None
    if shape.spatial:
        return "spatial" if node.bounded else None
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
    gate = Gate(
        name=hook or _own_name(watched, call.module, count),
        owner=call.module,
        owner_class=call.kind.__name__,
        channels=shape.channels,
        groups=shape.groups,
        kind=kind,
        layout=shape.layout,
        producer="" if producing is None else watched.module_of(producing),
        consumers=tuple(dict.fromkeys(_readers(watched, product, number))),
        dtype=str(watched.nodes[operand].dtype).removeprefix("torch."),
        spatial=shape.spatial,
    )
    return Place(
        gate=gate,
        shape=shape,
        step=number,
        features=features,
        operand=operand,
        product=product,
        hook=hook,
        input_hook=watched.maker(origin, number),
        first_argument=watched.times(call.module) == 1 and watched.first_argument(call) == origin,
        count=count,
    )


def _own_name(watched: Trace, owner: str, count: int | None) -> str:
    """Name a gate that no module puts out, for its owner."""
    name = owner or watched.calls[0].kind.__name__
    return f"{name}:{count}" if count else name


def _count(watched: Trace, number: int) -> int:
    """Count the owner's multiplications by something of the shape of a gate before this one."""
    owner = watched.module_of(number)
    spans = [(call.first, call.last) for call in watched.calls if call.module == owner]
    return sum(
        _could_gate(watched, step)
        for first, last in spans
        for step in range(first, min(last, number))
    )


def _could_gate(watched: Trace, number: int) -> bool:
    step = watched.steps[number]
    shapes = [(watched.nodes[node].shape, watched.nodes[node].compact) for node in step.inputs]
    return step.op == "mul" and gated_side(shapes) is not None


def _readers(watched: Trace, product: int, after: int) -> Iterator[str]:
    """Yield the modules whose steps read the product, past what only passes it on."""
    for number in range(after + 1, len(watched.steps)):
        step = watched.steps[number]
        same = any(watched.root(output) == product for output in step.outputs)
        if not same and product in {watched.root(node) for node in step.inputs}:
            yield watched.module_of(number)


def _hidden(watched: Trace) -> str | None:
    """Return where two tensors (B, C, 1, 1) are multiplied as a gate would be, None if nowhere."""
    for number, step in enumerate(watched.steps):
        if step.op != "mul" or len(step.inputs) != 2:
            continue
        shapes = {watched.nodes[node].shape for node in step.inputs}
        plane = next(iter(shapes))
        if len(shapes) > 1 or len(plane) != 4 or plane[1] < 2 or plane[2:] != (1, 1):
            continue
        for features, operand in (step.inputs, step.inputs[::-1]):
            squashed = watched.nodes[operand].bounded and watched.nodes[features].depends
            if squashed and not _elementwise(watched, operand, watched.root(features)):
                return watched.module_of(number) or "the model itself"
    return None


def _elementwise(watched: Trace, node: int, origin: int) -> bool:
    """Tell whether a tensor is a function of `origin` value by value, as in x sigmoid(x)."""
    while watched.root(node) != origin:
        made = watched.nodes[watched.root(node)].step
        if made is None or watched.steps[made].op not in _ELEMENTWISE:
            return False
        depending = [n for n in watched.steps[made].inputs if watched.nodes[n].depends]
        if len(depending) != 1:
            return False
        node = depending[0]
    return True
