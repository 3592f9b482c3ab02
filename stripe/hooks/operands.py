"""Read the factors of a product inside a module, for gates that no module outputs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from stripe.gates.shape import Shape, compact, gated_shape
from stripe.interrupts import interrupts_held
from stripe.modules.backward import in_backward
from stripe.modules.hooked import Hooks
from stripe.modules.ours import is_ours

#: Function of the features and the gate of one multiplication, and their layout.
OnProduct = Callable[[Tensor, Tensor, Shape], None]

#: Where the factors of a product begin among the arguments of an operation: a b, and t + a b.
_FACTORS: dict[Any, int] = {
    **dict.fromkeys((torch.ops.aten.mul, torch.ops.aten.mul_), 0),
    **dict.fromkeys((torch.ops.aten.addcmul, torch.ops.aten.addcmul_), 1),
}


class Operands(TorchDispatchMode):
    """Pass on the operands of multiplications by a gate, while the owners of the gates run.

    Parameters
    ----------
    wanted
        Mapping from the name of a module to the function that is called for each of its
        multiplications by a gate, in order.
    """

    def __init__(self, wanted: Mapping[str, OnProduct]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._on = ExitStack()
        self._wanted = wanted
        self._running: list[str] = []

    @contextmanager
    def hooked(self, modules: Mapping[str, nn.Module]) -> Iterator[None]:
        """Watch the owners among `modules`, given by name; nothing is left behind afterwards."""
        with Hooks() as hooks:
            for name in self._wanted:
                hooks.before(modules[name], partial(self._enter, name))
                hooks.after(modules[name], partial(self._leave, name), always_call=True)
            hooks.callback(self._leave_all)  # after an exception, owners miss their last hook
            yield

    def _enter(self, name: str, module: nn.Module, args: Any) -> None:
        if not self._running:
            with interrupts_held():
                self._on.enter_context(self)
        self._running.append(name)

    def _leave(self, name: str, module: nn.Module, args: Any, output: Any) -> None:
        while self._running and self._running.pop() != name:
            pass  # owners that an exception ended, which the model caught
        if not self._running:
            with interrupts_held():
                self._on.close()

    def _leave_all(self) -> None:
        self._running = []
        self._on.close()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        first = _FACTORS.get(func.overloadpacket)
        if first is not None and not (is_ours() or in_backward()):
            self._check(args[first : first + 2])
        return func(*args, **(kwargs or {}))

    def _check(self, operands: tuple[Any, ...]) -> None:
        if not all(isinstance(operand, Tensor) for operand in operands):
            return
        shapes = [tuple(operand.shape) for operand in operands]
        compacts = [
            compact(shape, operand.stride())
            for shape, operand in zip(shapes, operands, strict=True)
        ]
        found = gated_shape(list(zip(shapes, compacts, strict=True)))
        if found is None:
            return
        side, shape = found
        for owner in dict.fromkeys(self._running):
            self._wanted[owner](operands[1 - side], unrepeated(operands[side]), shape)


def unrepeated(tensor: Tensor) -> Tensor:
    """Return a view of size 1 in every dimension, but the first, that only repeats."""
    if 0 not in (strides := tensor.stride()):
        return tensor
    for dim in range(1, tensor.ndim):
        if strides[dim] == 0:
            tensor = tensor.narrow(dim, 0, 1)
    return tensor
