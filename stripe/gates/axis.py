"""Follow the axis of channels back through views and permutations."""

from stripe.gates.tracing.steps import Step, order_of


def axis_before(
    step: Step, source: tuple[int, ...], made: tuple[int, ...], axis: int
) -> int | None:
    """Return the input axis of a step that becomes its output `axis`, None if it is mixed."""
    order = order_of(step, len(source))
    if order is not None:
        return order[axis]
    return _same_axis(made, source, axis)


def _same_axis(here: tuple[int, ...], there: tuple[int, ...], axis: int) -> int | None:
    """Find an axis again after a view, counted from the front or from the back."""
    if here[: axis + 1] == there[: axis + 1]:
        return axis
    after = len(here) - axis
    return len(there) - after if len(there) >= after and here[axis:] == there[-after:] else None
