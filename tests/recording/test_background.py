"""What writes a recording, on a thread of its own or on that of the loop."""

import threading

import pytest

from stripe.recording.background import DEPTH, Background, Foreground


def test_items_are_done_in_order() -> None:
    done: list[int] = []
    with Background(done.append) as background:
        for item in range(20):
            background.put(item)
        background.finish()
        assert done == list(range(20))


def test_a_fast_producer_is_held_back() -> None:
    gate = threading.Event()

    def wait(item: int) -> None:
        gate.wait(10)

    with Background(wait) as background:
        producer = threading.Thread(target=_put_all, args=(background, DEPTH + 1))
        producer.start()
        producer.join(0.2)
        assert producer.is_alive()  # as many items as may be unfinished are
        gate.set()
        producer.join(10)
        background.finish()
        assert not producer.is_alive()


def test_an_error_surfaces_at_the_next_item_and_at_the_end() -> None:
    def fail(item: int) -> None:
        raise OSError("disk full")

    with Background(fail) as background:
        background.put(0)
        with pytest.raises(OSError, match="disk full"):
            _put_all(background, 1000)
        with pytest.raises(OSError, match="disk full"):
            background.finish()


def test_without_a_thread_an_item_is_done_at_once_and_raises_its_own_error() -> None:
    done: list[int] = []
    with Foreground(done.append) as foreground:
        foreground.put(1)
        assert done == [1]
        foreground.finish()

    def fail(item: int) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), Foreground(fail) as foreground:
        foreground.put(0)


def test_leaving_drops_what_waits_and_ends_the_thread() -> None:
    started, gate = threading.Event(), threading.Event()
    done: list[int] = []

    def wait(item: int) -> None:
        started.set()
        gate.wait(10)
        done.append(item)

    background = Background(wait)
    with background:
        for item in range(DEPTH):
            background.put(item)
        started.wait(10)
        opener = threading.Timer(0.1, gate.set)
        opener.start()
    opener.join()
    assert done == [0]
    assert "stripe-writer" not in {thread.name for thread in threading.enumerate()}


def _put_all(background: Background[int], count: int) -> None:
    for item in range(count):
        background.put(item)
