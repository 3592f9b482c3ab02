"""Defer Ctrl-C during set-up and clean-up, so that an interrupt leaves no changes behind."""

import signal
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, TypeVar

Handler = Callable[[int, FrameType | None], Any]

#: The deferred signals, in the order of replacing their handlers. SIGTERM only if it has a handler.
_NUMBERS = (signal.SIGINT, signal.SIGTERM)


class _State:
    """Whether signals are held in this process, and those that came meanwhile."""

    holding = False
    came: tuple[int, ...] = ()


#: The code of functions marked by `at_the_edge`.
_EDGES: set[CodeType] = set()
AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


def at_the_edge(function: AnyFunction) -> AnyFunction:
    """Mark the `__enter__` or `__exit__` of a context that holds signals and allows them.

    A signal may arrive at the first instruction of an `__exit__`, before this method can hold
    signals. Inside `interrupts_held`, a signal that arrives while a marked function runs is
    deferred. Functions that a marked function calls are not marked.
    """
    _EDGES.add(function.__code__)
    return function


class interrupts_held:  # noqa: N801  # used like a function, as torch.no_grad is
    """Defer SIGINT and SIGTERM while this context is open, and deliver them when it closes.

    A `KeyboardInterrupt` can be raised between any two instructions: after a hook is registered
    and before its handle is stored, or inside the `__exit__` that removes it. This context and
    `interrupts_allowed` leave only the body of a `with` statement open to it:

    >>> with interrupts_held(), undisturbed(model), interrupts_allowed():  # doctest: +SKIP
    ...     model(images)

    Signals are deferred while the contexts between the two are entered and left.

    Notes
    -----
    Only handlers that are Python functions are replaced, and only in the main thread, where Python
    runs them. The contexts must be left in reverse order, so a generator must not yield inside one.
    """

    def __init__(self) -> None:
        self._before: dict[int, Handler] = {}
        self._outer = False

    def __enter__(self) -> None:
        self._main = in_main_thread()
        if not self._main:
            return
        self._outer, _State.holding = _State.holding, True
        self._before = {}
        try:
            for number in _NUMBERS:
                handler = signal.getsignal(number)
                if callable(handler) and not _is_ours(handler):
                    self._before[number] = handler
                    signal.signal(number, self._handle)
        except BaseException:
            self._leave()
            raise

    def __exit__(self, *_: object) -> None:
        if self._main:
            self._leave()

    def _leave(self) -> None:
        try:
            for number, handler in reversed(self._before.items()):
                if signal.getsignal(number) == self._handle:
                    signal.signal(number, handler)
        finally:
            _State.holding = self._outer
            _deliver()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # The frame distinguishes a signal in the body from one at its entry or exit.
        if _State.holding or (frame is not None and frame.f_code in _EDGES):
            _State.came += (number,)
        else:
            self._before[number](number, frame)


class interrupts_allowed:  # noqa: N801
    """Deliver signals inside `interrupts_held`, first those that were deferred.

    Outside of `interrupts_held`, this context does nothing.
    """

    _main = _outer = False

    @at_the_edge
    def __enter__(self) -> None:
        self._main, self._outer = in_main_thread(), _State.holding
        if self._main:
            try:
                _State.holding = False
                _deliver()
            except BaseException:
                _State.holding = self._outer
                raise

    @at_the_edge
    def __exit__(self, *_: object) -> None:
        if self._main:  # nothing is called here, so a signal finds this frame or is held
            _State.holding = self._outer


def in_main_thread() -> bool:
    """Tell whether this is the thread that may set handlers of signals."""
    return threading.current_thread() is threading.main_thread()


def _is_ours(handler: object) -> bool:
    return getattr(handler, "__func__", None) is interrupts_held._handle


def _deliver() -> None:
    """Raise the deferred signals for the current handlers. A held signal is deferred again."""
    came, _State.came = _State.came, ()
    for number in dict.fromkeys(came):
        signal.raise_signal(number)
