"""Ctrl-C at any moment leaves nothing behind."""

import ast
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from torch import nn

import stripe
from stripe.interrupts import interrupts_allowed, interrupts_held

PACKAGE = Path(stripe.__file__).parent
#: Contexts that change a model, torch or the process, and put it back.
CHANGING = {
    "undisturbed", "fork_rng", "no_grad", "enable_grad", "inference_mode", "set_stance", "hooked",
    "_hooked", "calls_of", "Recorder", "RecordingWriter", "Background", "way_to_write",
    "inject_noise", "injected", "_gradients_kept", "batch_statistics", "stoppable", "joined",
    "_ended_by_sigterm", "run_locked", "graph_cut",
}  # fmt: skip
#: Contexts that are made of others; whoever enters them holds the signals.
HELPERS = {"undisturbed", "calls_of", "hooked"}


@pytest.fixture(autouse=True)
def ctrl_c_raises() -> Iterator[None]:
    """Give SIGINT Python's handler; a process that was started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_waits_for_the_clean_up() -> None:
    seen = []
    held = interrupts_held()
    held.__enter__()
    signal.raise_signal(signal.SIGINT)
    seen.append("cleaned")
    with pytest.raises(KeyboardInterrupt):
        held.__exit__()
    assert seen == ["cleaned"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_of_the_set_up_comes_before_the_body() -> None:
    seen: list[str] = []
    noting = _noting(seen, interrupted=True)
    with pytest.raises(KeyboardInterrupt), interrupts_held(), noting, interrupts_allowed():
        seen.append("body")
    assert seen == ["set up", "cleaned"]


def test_a_second_signal_does_not_interrupt_the_clean_up() -> None:
    seen: list[str] = []
    noting = _noting(seen)
    with pytest.raises(KeyboardInterrupt), interrupts_held(), noting, interrupts_allowed():
        signal.raise_signal(signal.SIGINT)
    assert seen == ["set up", "cleaned"]


def test_an_interrupt_that_the_body_swallows_does_not_disable_the_next() -> None:
    with interrupts_held(), interrupts_allowed():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)


def interrupt_when(function: Callable[..., Any]) -> None:
    """Let a SIGINT find `function` at its first instruction."""

    def at_the_start(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is function.__code__:
            sys.setprofile(None)
            handler = signal.getsignal(signal.SIGINT)
            assert callable(handler)
            handler(signal.SIGINT, frame)  # as Python calls it

    sys.setprofile(at_the_start)


def test_a_signal_as_the_body_ends_waits_for_the_clean_up() -> None:
    seen: list[str] = []
    allowed = interrupts_allowed()
    with pytest.raises(KeyboardInterrupt), interrupts_held(), _noting(seen), allowed:
        interrupt_when(interrupts_allowed.__exit__)
    assert seen == ["set up", "cleaned"]


def test_a_signal_as_the_body_ends_takes_noise_out_too(small_model: nn.Sequential) -> None:
    with pytest.raises(KeyboardInterrupt), stripe.inject_noise(small_model, "constant:0.8,0.8"):
        interrupt_when(stripe.inject_noise.__exit__)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in small_model.modules())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nested_contexts_hold_until_the_outermost_ends() -> None:
    seen = []
    outer = interrupts_held()
    outer.__enter__()
    with interrupts_held():
        signal.raise_signal(signal.SIGINT)
    seen.append("outer")
    with pytest.raises(KeyboardInterrupt):
        outer.__exit__()
    assert seen == ["outer"]


def test_a_handler_that_does_not_raise_hears_every_signal() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        with interrupts_held(), interrupts_allowed():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert heard == [signal.SIGTERM] * 2
        with interrupts_held():
            signal.raise_signal(signal.SIGTERM)
            assert len(heard) == 2
        assert len(heard) == 3
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_holds_nothing() -> None:
    handlers = []

    def look() -> None:
        with interrupts_held(), interrupts_allowed():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


@contextmanager
def _noting(seen: list[str], *, interrupted: bool = False) -> Iterator[None]:
    if interrupted:
        signal.raise_signal(signal.SIGINT)
    seen.append("set up")
    try:
        yield
    finally:
        signal.raise_signal(signal.SIGINT)
        seen.append("cleaned")


def _called(node: ast.expr) -> str:
    target = node.func if isinstance(node, ast.Call) else node
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_signals_are_held_wherever_something_is_changed_and_put_back(path: Path) -> None:
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef) or function.name in HELPERS:
            continue
        for statement in ast.walk(function):
            if not isinstance(statement, ast.With):
                continue
            names = [_called(item.context_expr) for item in statement.items]
            if CHANGING & {*names}:
                where = f"{path.name}:{statement.lineno}"
                assert names[0] == "interrupts_held", where
                assert names[-1] == "interrupts_allowed", where
