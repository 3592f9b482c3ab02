"""Operations inside a forward pass that are ours, and no part of the model: noise, for example."""

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
