"""Mark operations inside a forward pass that are not the model's, such as noise."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import local

_state = local()


@contextmanager
def ours() -> Iterator[None]:
    """Mark the operations in this context as not the model's, for all traces of the model."""
    before = is_ours()
    _state.on = True
    try:
        yield
    finally:
        _state.on = before


def is_ours() -> bool:
    """Tell whether the operation that runs now is ours."""
    return bool(getattr(_state, "on", False))
