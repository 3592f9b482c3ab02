"""A thread that does the slow half of a loop."""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

#: Batches that may wait: enough to ride out a slow write, few enough to bound the memory.
DEPTH = 2


class Background(Generic[Item]):
    """Call `work` on every item, in order, on a thread of its own.

    `put` waits while `DEPTH` items are waiting, so a producer cannot outrun the disk; an error of
    `work` is raised by the next `put`, or by `finish`.
    """

    def __init__(self, work: Callable[[Item], None]) -> None:
        self._work = work
        self._queue: queue.Queue[Item | None] = queue.Queue(DEPTH)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="stripe-writer", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand over one item."""
        self._raise()
        self._queue.put(item)

    def finish(self) -> None:
        """Wait until every item is done, and raise what went wrong."""
        self.stop()
        self._raise()

    def stop(self) -> None:
        """Wait for the items in hand and end the thread, without raising what went wrong."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is not None:
                continue  # keep emptying the queue, so that the producer is never stuck
            try:
                self._work(item)
            except BaseException as error:
                self._error = error
