"""Replace one gate: in a hook of its module, or in an operand of its product."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial, update_wrapper
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stripe.errors import ModelError
from stripe.gates.freezing.operands import Operand, Replacing, check_count
from stripe.hooks.operands import unrepeated
from stripe.modules.hooked import Hooks

#: Function from the rows of a gate, (rows, channels), to their replacement.
Replacement = Callable[[Float[Tensor, "rows channels"]], Tensor]

_PAUSED: ContextVar[bool] = ContextVar("paused", default=False)


@contextmanager
def paused() -> Iterator[None]:
    """Suspend all interventions; the model computes every gate."""
    token = _PAUSED.set(True)
    try:
        yield
    finally:
        _PAUSED.reset(token)


def is_paused() -> bool:
    """Tell whether interventions are suspended."""
    return _PAUSED.get()


@dataclass(frozen=True)
class Instead:
    """The replacement of a gate, as a function of a tensor that holds the gate.

    Parameters
    ----------
    name
        The gate, for errors.
    width
        The number of its values per image.
    replacement
        Function from the rows of the gate to their replacement.
    """

    name: str
    width: int
    replacement: Replacement

    def __call__(self, gate: Tensor) -> Tensor:
        """Return the replacement of a gate, in its shape and number format."""
        narrow = unrepeated(gate)
        if narrow.numel() % self.width:
            raise ModelError(
                f"the gate {self.name!r} must have {self.width} numbers per image, as when it was "
                f"found, got shape {tuple(gate.shape)}; give images of the size of the example"
            )
        rows = narrow.reshape(-1, self.width)
        # Products inside a replacement are not the model's.
        with torch._C.DisableTorchFunction():
            try:
                made = self.replacement(rows)
            except TypeError as error:  # Python would take it for one of the model's product
                raise ModelError(
                    f"the function that replaces the gate {self.name!r} failed: {error}"
                ) from error
        if not isinstance(made, Tensor) or made.shape != rows.shape:
            came = f"shape {tuple(made.shape)}" if isinstance(made, Tensor) else str(type(made))
            raise ModelError(
                f"what replaces the gate {self.name!r} must have the shape of the gate, "
                f"{tuple(rows.shape)}, got {came}"
            )
        return made.to(gate).reshape(narrow.shape).expand(gate.shape)


def replace_output(module: nn.Module, instead: Instead, undo: Hooks) -> None:
    """Replace the output of a module, wherever it is called, until `undo` is closed."""

    def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor | None:
        return None if is_paused() else instead(output)

    undo.after(module, hook)


def replace_operands(
    owner: nn.Module, replacements: Mapping[Operand, Instead], undo: ExitStack
) -> None:
    """Replace operands of the products in a module, until `undo` is closed.

    Replacements that were there before come first.

    Parameters
    ----------
    owner
        The module that multiplies.
    replacements
        Replacements by operand.
    undo
        The stack that restores the module when it is closed.
    """
    by_ordinal = {
        operand.ordinal: (operand.position, instead) for operand, instead in replacements.items()
    }
    attributes = vars(owner)
    (count,) = {operand.of for operand in replacements}
    forward = _Forward(owner.forward, attributes.get("forward"), by_ordinal, count)
    undo.callback(partial(_take_out, attributes, forward))
    attributes["forward"] = forward


class _Forward:
    """A module's forward pass, with operands of its products replaced; copies as modules do."""

    def __init__(
        self,
        forward: Callable[..., Any],
        before: Any,
        replacements: Mapping[int, tuple[int, Instead]],
        count: int,
    ) -> None:
        update_wrapper(self, forward)  # with its signature, which others read
        self._forward = forward
        self._before = before  # the attribute that it replaces; None for the method of the class
        self._replacements = replacements
        self._count = count

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if is_paused():
            return self._forward(*args, **kwargs)
        replacing = Replacing(self._replacements)
        # Modes that were entered last see a product first, so replacements that were there before
        # come first, as hooks do.
        with replacing:
            output = self._forward(*args, **kwargs)
        if replacing.left:
            raise ModelError(
                "a module whose gate is replaced must multiply by it in every pass, and did not; "
                "leave the gate out with gates=[...]"
            )
        check_count("a module whose gate is replaced", self._count, replacing.count)
        return output

    def without(self, other: "_Forward") -> Any:
        """Return what is left of the chain from here, as an attribute, if one link is taken out."""
        if self is other:
            return self._before
        if isinstance(self._before, _Forward):
            self._before = self._before.without(other)
            if self._forward is other:
                self._forward = other._forward
        return self


def _take_out(attributes: dict[str, Any], forward: _Forward) -> None:
    """Take a replaced forward pass out of a module, whether or not others came after it."""
    first = attributes.get("forward")
    left = first.without(forward) if isinstance(first, _Forward) else first
    if left is None:
        attributes.pop("forward", None)
    else:
        attributes["forward"] = left
