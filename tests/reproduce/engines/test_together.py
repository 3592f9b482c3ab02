"""How many trainings share a GPU: the speed of processes side by side, and the death of one."""

import os
import signal
from typing import Any

import pytest

from stripe.errors import StripeError
from stripe.reproduce.engines.together import best, rate


def test_fewer_processes_are_chosen_where_more_gain_nothing() -> None:
    assert best({1: 100.0, 2: 180.0, 4: 250.0, 8: 255.0}) == 4
    assert best({1: 100.0, 2: 101.0}) == 1


def seconds(device: str, batch: int, steps: int, ready: Any) -> float:
    """Take as long as its place at the barrier says."""
    return 1.0 + float(ready.wait(timeout=100))


@pytest.mark.slow
def test_the_slowest_of_the_processes_counts() -> None:
    assert rate(2, "cpu", batch=8, steps=3, training=seconds) == 2 * 3 * 8 / 2.0


def raising(device: str, batch: int, steps: int, ready: Any) -> float:
    """Raise in one process, while the other waits for it without an end."""
    if ready.wait(timeout=100) == 0:
        raise MemoryError("CUDA out of memory\nand more lines")
    ready.wait(timeout=10_000)
    return 1.0


def killed(device: str, batch: int, steps: int, ready: Any) -> float:
    """Kill one process, while the other waits for it without an end."""
    if ready.wait(timeout=100) == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    ready.wait(timeout=10_000)
    return 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("training", "said"),
    [(raising, "MemoryError: CUDA out of memory;"), (killed, "it ended with exit code -9")],
)
def test_the_error_of_a_process_ends_the_others(training: Any, said: str) -> None:
    with pytest.raises(StripeError, match=said) as caught:
        rate(2, "cpu", batch=8, steps=3, training=training)
    assert "\n" not in str(caught.value)
