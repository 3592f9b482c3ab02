"""Watch which multiplications Python code requests."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

#: Callables that multiply: functions, methods and the operation of exported programs.
_PRODUCTS = {
    *(torch.mul, torch.multiply, Tensor.mul, Tensor.mul_, Tensor.multiply, Tensor.multiply_),
    *(Tensor.__mul__, Tensor.__rmul__, Tensor.__imul__, torch.ops.aten.mul, torch.ops.aten.mul_),
}


def is_product(func: Any) -> bool:
    """Tell whether a function of torch, a method or an operation multiplies elementwise."""
    return getattr(func, "overloadpacket", func) in _PRODUCTS


class Asked(TorchFunctionMode):
    """Report every multiplication that Python code requests, after the multiplication ran.

    Parameters
    ----------
    done
        Called after each.
    """

    def __init__(self, done: Callable[[], None]) -> None:
        super().__init__()
        self._done = done

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if is_product(func):
            self._done()
        return result
