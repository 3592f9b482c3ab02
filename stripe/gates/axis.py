"""Follow the axis of channels through views and permutations."""

from stripe.gates.trace import Step


class CannotFoldError(Exception):
    """Why a gate stays a constant scale; caught where gates are folded."""


def axis_before(step: Step, source: tuple[int, ...], made: tuple[int, ...], axis: int) -> int:
    """Return which axis of what a step took is `axis` of what it made."""
    if step.op == "permute":
        return int(step.scalars[axis]) % len(source)
    if step.op == "transpose":
        return _swapped(step, len(source), axis)
    return _same_axis(made, source, axis)


def axis_after(step: Step, source: tuple[int, ...], made: tuple[int, ...], axis: int) -> int:
    """Return which axis of what a step made is `axis` of what it took."""
    if step.op == "permute":
        return [int(dim) % len(source) for dim in step.scalars].index(axis)
    if step.op == "transpose":
        return _swapped(step, len(source), axis)
    return _same_axis(source, made, axis)


def _swapped(step: Step, dims: int, axis: int) -> int:
    first, second = (int(dim) % dims for dim in step.scalars[:2])
    return {first: second, second: first}.get(axis, axis)


def _same_axis(here: tuple[int, ...], there: tuple[int, ...], axis: int) -> int:
    """Find an axis again after a view, counted from the front or from the back."""
    if here[: axis + 1] == there[: axis + 1]:
        return axis
    after = len(here) - axis
    if len(there) >= after and here[axis:] == there[-after:]:
        return len(there) - after
    raise CannotFoldError("channels are mixed with places by a view")
