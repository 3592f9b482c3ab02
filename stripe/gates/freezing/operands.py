"""Multiply by constants in modules that compute a gate functionally."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from inspect import isfunction
from types import CodeType, FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from stripe.errors import ModelError
from stripe.gates.shape import compact
from stripe.gates.tracing.product_calls import is_product
from stripe.gates.tracing.steps import Call, Trace
from stripe.gates.tracing.trace import trace
from stripe.modules.unwrap import modules_by_name

_FROZEN_KINDS: dict[Any, type[nn.Module]] = {}


class Operand(NamedTuple):
    """One side of one multiplication in a module's forward pass.

    Parameters
    ----------
    owner
        The module's name.
    ordinal
        Number of the multiplication among those in the module's forward pass, including those in
        its submodules, from 0.
    position
        0 for the left operand, 1 for the right one.
    of
        Number of all multiplications in the module's forward pass.
    """

    owner: str
    ordinal: int
    position: int
    of: int


def operand_at(watched: Trace, step: int, position: int) -> Operand | None:
    """Return which multiplication of its module a step is, None if no Python code asks for it."""
    call = watched.calls[watched.steps[step].call]
    inside = _inside(watched, call)
    if step not in inside or watched.times(call.module) != 1:
        return None
    return Operand(call.module, inside.index(step), position, len(inside))


def _inside(watched: Trace, call: Call) -> list[int]:
    """Return the multiplications that count in a call, in order."""
    return [
        number
        for number in watched.products
        if call.first <= number < call.last and _counts(_shapes(watched, number))
    ]


def multiply_by(owner: nn.Module, operand: Operand, value: Tensor) -> None:
    """Make a module, in place, multiply by `value`, the gate of one image, instead of its own gate.

    The module keeps its parameters and their names; `value` becomes a buffer of it,
    `frozen_gate_N`. The code that computed the gate still runs, but `torch.compile` and
    `torch.export` remove it.
    """
    if not isinstance(owner, MultipliesByConstants):
        owner.__class__ = _class_with_constants(type(owner))
        vars(owner)["frozen_operands"] = {}
    name = f"frozen_gate_{operand.ordinal}"
    owner.register_buffer(name, value)
    vars(owner)["frozen_operands"][operand.ordinal] = (operand.position, name)
    vars(owner)["frozen_of"] = None


def count_again(model: nn.Module, example: Tensor) -> None:
    """Note how many multiplications each frozen module of a model asks for, inside it too.

    Modules inside it may have been replaced since it was frozen.
    """
    modules = modules_by_name(model)
    frozen = {n: m for n, m in modules.items() if isinstance(m, MultipliesByConstants)}
    if not frozen:
        return
    for module in frozen.values():
        vars(module)["frozen_of"] = None
    watched = trace(model, example)
    for call in watched.calls:
        if call.module in frozen:
            vars(frozen[call.module])["frozen_of"] = len(_inside(watched, call))


class MultipliesByConstants(nn.Module):
    """A module, some of whose multiplications take a buffer in place of one operand."""

    frozen_operands: dict[int, tuple[int, str]]
    #: How many of its multiplications count in a pass; None if that is unknown.
    frozen_of: int | None = None

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle and copy as the class that was frozen, and freeze it again."""
        reduced: Any = super().__reduce_ex__(protocol)
        make, args, *rest = reduced
        kinds = [_Frozen(kind.__mro__[2]) if kind is type(self) else kind for kind in args]
        return _remade, (make, kinds), *rest


class _Frozen(NamedTuple):
    kind: type[nn.Module]


def _remade(make: Any, args: Sequence[Any]) -> Any:
    return make(*(_class_with_constants(arg.kind) if isinstance(arg, _Frozen) else arg
                  for arg in args))  # fmt: skip


def _class_with_constants(kind: Any) -> type[nn.Module]:
    """Return the one class that freezes modules of a kind."""
    if kind not in _FROZEN_KINDS:
        _FROZEN_KINDS[kind] = _made_class(kind)
    return _FROZEN_KINDS[kind]


def _made_class(kind: Any) -> type[nn.Module]:
    @wraps(kind.forward)  # with its signature, which torch.export and others read
    def forward(self: MultipliesByConstants, *args: Any, **kwargs: Any) -> Any:
        replacing = Replacing({
            ordinal: (position, partial(_instead, getattr(self, name)))
            for ordinal, (position, name) in self.frozen_operands.items()
        })  # fmt: skip
        with replacing:
            output = kind.forward(self, *args, **kwargs)
        if replacing.left:
            raise ModelError(
                f"a frozen {kind.__name__} must multiply by its constants in every pass, and did "
                "not; symbolic tracing does not see them, torch.export does"
            )
        check_count(f"a frozen {kind.__name__}", self.frozen_of, replacing.count)
        return output

    members = {"__module__": kind.__module__, "forward": forward}
    return type(kind.__name__, (MultipliesByConstants, kind), members)


class Replacing(TorchFunctionMode):
    """Replace operands of the multiplications that Python code calls while this mode is on.

    Parameters
    ----------
    replacements
        Mapping from the ordinal of a multiplication to the position of the operand, and to the
        function that returns the replacement of this operand.
    """

    def __init__(self, replacements: Mapping[int, tuple[int, Callable[[Tensor], Tensor]]]) -> None:
        super().__init__()
        self._replacements = replacements
        #: How many multiplications have been counted.
        self.count = 0
        #: How many of them have not been replaced yet.
        self.left = len(replacements)
        self._differentiated = torch.is_grad_enabled()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if is_product(func):
            args, kwargs = self._replaced(args, kwargs)
        return func(*args, **kwargs)

    def _replaced(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        keys = ("input", "other")[len(args) :]
        operands = [*args, *(kwargs.get(key) for key in keys)]
        if not _counts([x.shape for x in operands if isinstance(x, Tensor)]):
            return args, kwargs
        found = self._replacements.get(self.count)
        self.count += 1
        if found is None:
            return args, kwargs
        position, instead = found
        if self._differentiated and not torch.compiler.is_compiling():
            _check_backward()
        operands[position] = instead(operands[position])
        self.left -= 1
        rest = {key: x for key, x in kwargs.items() if key not in keys}
        return tuple(operands), rest


#: The functions that call a module's forward pass with replaced operands.
_CALLERS = ("stripe.gates.freezing.operands.forward", "stripe.intervene.replaced.__call__")


def _check_backward() -> None:
    """Raise if a product that is replaced has a backward pass that would not see the replacement.

    `torch.utils.checkpoint` computes the product again, outside of the module's forward pass, and
    an autograd function differentiates it by its own rule.
    """
    own_rules = () if torch.is_grad_enabled() else _autograd_functions(torch.autograd.Function)
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        place, code = frame.f_globals.get("__name__", ""), frame.f_code
        if f"{place}.{code.co_name}" in _CALLERS:
            return
        inside = "torch.utils.checkpoint" if place == "torch.utils.checkpoint" else ""
        inside = "an autograd function" if code in own_rules else inside
        if inside:
            raise ModelError(
                f"the model multiplies by a replaced gate inside {inside}, so the gradients would "
                "be those of the gate that is not replaced; run the model under torch.no_grad(), "
                "or leave the gate out with gates=[...]"
            )
        frame = frame.f_back


def _autograd_functions(kind: type) -> set[CodeType]:
    """Return the forward passes of all autograd functions that are derived from a class."""
    found = {rule.__code__ for rule in [getattr(kind, "forward", None)] if isfunction(rule)}
    return found.union(*map(_autograd_functions, kind.__subclasses__()))


def check_count(what: str, expected: int | None, came: int) -> None:
    """Raise an error if the number of a module's multiplications differs from that in the trace.

    The number changes if a module processes the batch in pieces, or multiplies by masks in
    training. It is then unknown which multiplications are by the gate.
    """
    if expected is not None and came != expected:
        raise ModelError(
            f"{what} must multiply {expected} times in a pass, as when its gates were found, and "
            f"did so {came} times, so a constant may stand for another factor; use batches and "
            "images of the size of example=, and the same mode"
        )


def _instead(value: Tensor, operand: Tensor) -> Tensor:
    form = compact(operand.shape, operand.stride())
    if form[1:] != tuple(value.shape[1:]):
        raise ModelError(
            f"a frozen gate of shape {tuple(value.shape)} must stand for the operand that it was "
            f"recorded from, and came to one of shape {tuple(operand.shape)}; the module computes "
            "in another order than when it was frozen"
        )
    return value.to(device=operand.device, dtype=operand.dtype)


def _counts(shapes: Sequence[Sequence[int]]) -> bool:
    """Tell whether a multiplication is counted: of two tensors with several values per image.

    Masks of one value per image, as stochastic depth has them in training alone, do not count.
    """
    return len(shapes) == 2 and all(any(n > 1 for n in shape[1:]) for shape in shapes)


def _shapes(watched: Trace, number: int) -> list[tuple[int, ...]]:
    return [watched.nodes[node].shape for node in watched.steps[number].inputs]
