import threading

import pytest

from stripe.recording.background import DEPTH, Background


def test_items_are_done_in_order() -> None:
    done: list[int] = []
    background = Background(done.append)
    for item in range(20):
        background.put(item)
    background.finish()
    assert done == list(range(20))


def test_a_fast_producer_is_held_back() -> None:
    gate = threading.Event()

    def wait(item: int) -> None:
        gate.wait(10)

    background = Background(wait)
    producer = threading.Thread(target=_put_all, args=(background, DEPTH + 5))
    producer.start()
    producer.join(0.2)
    assert producer.is_alive()  # the queue is full and the consumer asleep
    gate.set()
    producer.join(10)
    background.finish()
    assert not producer.is_alive()


def test_an_error_surfaces_at_the_next_item_and_at_the_end() -> None:
    def fail(item: int) -> None:
        raise OSError("disk full")

    background = Background(fail)
    background.put(0)
    with pytest.raises(OSError, match="disk full"):
        _put_all(background, 1000)
    background.stop()
    with pytest.raises(OSError, match="disk full"):
        background.finish()


def _put_all(background: Background[int], count: int) -> None:
    for item in range(count):
        background.put(item)
