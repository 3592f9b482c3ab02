"""Mark operations inside a forward pass that are not the model's, such as noise."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import local

_state = local()


@contextmanager
def ours() -> Iterator[None]:
    """Let nobody who watches a model take the operations in this context for the model's."""
    before = is_ours()
    _state.on = True
    try:
        yield
    finally:
        _state.on = before


def is_ours() -> bool:
    """Tell whether the operation that runs now is ours."""
    return bool(getattr(_state, "on", False))
