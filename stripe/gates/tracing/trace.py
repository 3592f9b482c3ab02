"""Run a forward pass and write its trace: which operation made which tensor, in which module."""

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from stripe.errors import ModelError, StripeError
from stripe.gates.shape import compact
from stripe.gates.tracing.bounded import UNBOUNDED, Bounds, bounds
from stripe.gates.tracing.example import some_images
from stripe.gates.tracing.memory import Memory
from stripe.gates.tracing.ordering import puts_in_order
from stripe.gates.tracing.product_calls import Asked
from stripe.gates.tracing.steps import Call, Node, Step, Trace
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.memory import is_out_of_memory
from stripe.modules.backward import in_backward
from stripe.modules.feed import feed, placed
from stripe.modules.hooked import Hooks
from stripe.modules.ours import is_ours
from stripe.modules.tensors import tensors_in
from stripe.modules.uncompiled import uncompiled
from stripe.modules.undisturbed import undisturbed
from stripe.modules.unwrap import device_of, modules_by_name, unwrapped

_QUANTISED = (torch.qint8, torch.quint8, torch.qint32)

#: Operations that use the shape of a tensor and not its values.
_FORM_ONLY = ("new_", "empty", "zeros", "ones", "full", "rand", "arange")

#: Operations that scale features by a gate.
_PRODUCTS = ("mul", "addcmul", "div", "lerp")


def trace(model: nn.Module, example: Tensor) -> Trace:
    """Watch one forward pass of `model` in evaluation, over two images of `example`.

    A copy without weights runs on the meta device, where nothing is computed. The model itself runs
    if the copy cannot run there, or under autocast, which the meta device does not support. A model
    that does not take two images is given the whole example. The model is left as it was.

    Raises
    ------
    ModelError
        If the model cannot be watched, or computes with int8 tensors.
    """
    model = unwrapped(model)
    for size in dict.fromkeys((2, len(example))):
        try:
            watched = _traced(model, some_images(example, size))
            break
        except Exception as error:
            failure = error
    else:
        if example.ndim == 3 and not (
            isinstance(failure, StripeError) or is_out_of_memory(failure)
        ):
            said = next(iter(str(failure).splitlines()), "")
            raise ModelError(
                f"the model must take the example, of shape {tuple(example.shape)}, and raised "
                f"{type(failure).__name__}: {said}; for a single image (C, H, W), give image[None]"
            ) from failure
        raise failure
    _refuse_int8(watched)
    return watched


def _traced(model: nn.Module, images: Tensor) -> Trace:
    """Watch a pass without values, or, if that fails, with them."""
    device = device_of(model)
    kind = "cpu" if device is None else device.type
    without = None if kind == "meta" else _run_without_values(model, images)
    if without is not None and not torch.is_autocast_enabled(kind):
        return without
    watched = _run(model, images)
    watched.static = kind == "meta" or without is not None
    return watched


def _run_without_values(model: nn.Module, images: Tensor) -> Trace | None:
    with warnings.catch_warnings(action="ignore"):
        try:
            watched = _run(_weightless(model), images.to("meta"))
        except Exception:  # seen again, and not caught, with values
            return None
    watched.static = True
    return watched


def _refuse_int8(watched: Trace) -> None:
    for number, step in enumerate(watched.steps):
        if any(watched.nodes[node].dtype in _QUANTISED for node in step.outputs):
            raise ModelError(
                f"a network must compute with floating point numbers to be traced, and "
                f"{watched.module_of(number) or 'all of it'!r} computes with int8 ({step.op}); "
                "give the network that was quantised, fake-quantised or not"
            )


def _weightless(model: nn.Module) -> nn.Module:
    """Copy everything of a model but its numbers."""
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), False)
    for buffer in model.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(model, memo)


def _run(model: nn.Module, example: Tensor) -> Trace:
    watch = _Watch()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        watch.trace.names[watch.node(tensor)] = name
    with interrupts_held(), torch.inference_mode(False), interrupts_allowed():
        example = placed(model, example)
        if example.is_inference():  # on which even `to` is an operation
            example = example.clone()
    watch.mark_input(example)
    # In inference mode operations would not be decomposed into the expected ones.
    with (
        interrupts_held(),
        torch.inference_mode(False),
        undisturbed(model),
        watch.calls_of(model),
        watch,
        Asked(watch.note_product),
        interrupts_allowed(),
    ):
        output = feed(model, example)
    watch.trace.outputs = watch.nodes_in(output)
    return watch.trace


def _bounds_of(
    op: str, nodes: Sequence[Node], depending: Sequence[Node], scalars: tuple[Any, ...]
) -> Bounds:
    """Return the bounds of the result of an operation, from those of its inputs."""
    if not depending:
        return UNBOUNDED
    return bounds(op, scalars, [node.bounds for node in depending], len(nodes) - len(depending))


class _Watch(TorchDispatchMode):
    """Write down every operation that is dispatched while this mode is on."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.trace = Trace()
        self._node_of = WeakIdKeyDictionary()
        self._memory = Memory()
        self._stack: list[int] = []
        self._ended = 0

    def node(self, tensor: Tensor) -> int:
        """Return the node of a tensor, a new one if it was made or written to out of sight."""
        if tensor not in self._node_of:
            known = self._memory.holder(tensor)
            if known is None:
                self._add(tensor, depends=self._memory.depends(tensor, self.trace))
            else:  # another object for the same values, as of a subclass
                self._node_of[tensor] = known
        number = int(self._node_of[tensor])
        written = self._memory.written_since(tensor, self.trace, number)
        return self._rewritten(tensor, number, written) if written else number

    def _rewritten(self, tensor: Tensor, number: int, written: Sequence[int]) -> int:
        """Add the node of a tensor that was written to through views, or a padded batch."""
        nodes = [self.trace.nodes[n] for n in (number, *written)]
        bounded = [node.bounds for node in nodes if node.depends]
        made = self._add(
            tensor,
            depends=True,
            bounded=Bounds(*(all(sides) for sides in zip(*bounded, strict=True))),
            step=len(self.trace.steps),
            ordered=any(node.ordered for node in nodes),
        )
        call = self._stack[-1] if self._stack else 0
        self.trace.steps.append(Step("written", (number, *written), (made,), (), call))
        return made

    def nodes_in(self, value: Any) -> tuple[int, ...]:
        """Return the nodes of all tensors in nested tuples, lists and dictionaries."""
        return tuple(self.node(tensor) for tensor in tensors_in(value))

    def mark_input(self, example: Tensor) -> None:
        """Let everything that is computed from `example` depend on the input."""
        self._add(example, depends=True)
        self.trace.input_shape = tuple(example.shape)

    def note_product(self) -> None:
        """Note that the last step is a multiplication that Python code asked for."""
        self.trace.products.append(len(self.trace.steps) - 1)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        flat = tree_leaves((args, {key: x for key, x in kwargs.items() if key != "out"}))
        inputs = tuple(self.node(leaf) for leaf in flat if isinstance(leaf, Tensor))
        result = func(*args, **kwargs)
        self._write(func, inputs, flat, result)
        return result

    def _write(self, func: Any, inputs: tuple[int, ...], flat: list[Any], result: Any) -> None:
        """Write down an operation: its inputs, and what is known of the values of its outputs."""
        op, inputs = self._operation(func, inputs)
        nodes = [self.trace.nodes[number] for number in inputs]
        scalars = tuple(leaf for leaf in flat if not isinstance(leaf, Tensor))
        form_only = op.startswith(_FORM_ONLY) or op.endswith("_like")
        depending = [] if form_only else [node for node in nodes if node.depends]
        if isinstance(result, Tensor) and result.dtype == torch.bool:
            bounded = Bounds(bool(depending), bool(depending))
        else:
            bounded = _bounds_of(op, nodes, depending, scalars)
        ordered = puts_in_order(op, len(depending)) or any(node.ordered for node in nodes)
        outputs = tuple(
            self._add(leaf, bool(depending), bounded, len(self.trace.steps), ordered)
            for leaf in tree_leaves(result)
            if isinstance(leaf, Tensor)
        )
        if depending and func._schema.is_mutable and isinstance(result, Tensor):
            self._memory.write(result, outputs[0])
        self.trace.steps.append(Step(op, inputs, outputs, scalars, self._stack[-1]))

    def _operation(self, func: Any, inputs: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """Return the name of an operation, and its inputs; t + a b is a product and a sum."""
        op = func._schema.name.removeprefix("aten::").removesuffix("_")
        if op in _PRODUCTS and in_backward():  # gradients are multiplied by gates too
            op = f"backward_{op}"
        if op == "addcmul" and not is_ours():
            return "add", (inputs[0], self._product(inputs[1:]))
        return op, inputs

    def _product(self, factors: tuple[int, ...]) -> int:
        """Write down a product that is part of an operation, and return its node."""
        nodes = [self.trace.nodes[number] for number in factors]
        depending = [node for node in nodes if node.depends]
        shape = tuple(torch.broadcast_shapes(*(node.shape for node in nodes)))
        self.trace.nodes.append(
            Node(
                shape=shape,
                compact=shape,
                dtype=nodes[0].dtype,
                depends=bool(depending),
                bounds=_bounds_of("mul", nodes, depending, ()),
                step=len(self.trace.steps),
                ordered=any(node.ordered for node in nodes),
            )
        )
        made = len(self.trace.nodes) - 1
        self.trace.steps.append(Step("mul", factors, (made,), (), self._stack[-1]))
        return made

    def _add(
        self,
        tensor: Tensor,
        depends: bool = False,
        bounded: Bounds = UNBOUNDED,
        step: int | None = None,
        ordered: bool = False,
    ) -> int:
        shape = tuple(tensor.shape)
        strides = tensor.stride() if tensor.layout == torch.strided else (1,) * len(shape)
        self.trace.nodes.append(
            Node(shape, compact(shape, strides), tensor.dtype, depends, bounded, step, ordered)
        )
        number = self._node_of[tensor] = len(self.trace.nodes) - 1
        self._memory.hold(tensor, number)
        return number

    @contextmanager
    def calls_of(self, model: nn.Module) -> Iterator[None]:
        """Note when each module begins and ends; the hooks are gone afterwards."""
        with Hooks() as hooks:
            for name, module in modules_by_name(model).items():
                hooks.before(module, partial(self._enter, name), with_kwargs=True, prepend=True)
                hooks.after(module, self._leave, always_call=True)
            with uncompiled():
                yield

    def _enter(self, name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        self._stack.append(len(self.trace.calls))
        self.trace.calls.append(
            Call(
                module=name,
                kind=type(module),
                inputs=self.nodes_in((args, kwargs)),
                first=len(self.trace.steps),
                positional=bool(args) and isinstance(args[0], Tensor),
            )
        )

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        while self.trace.calls[self._stack[-1]].kind is not type(module):
            self._stack.pop()  # calls that an exception ended, which the model caught
        call = self.trace.calls[self._stack.pop()]
        call.outputs = self.nodes_in(output)
        call.one_tensor = isinstance(output, Tensor)
        call.last = len(self.trace.steps)
        call.ended = self._ended = self._ended + 1
