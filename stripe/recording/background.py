"""The slow half of a loop: on a thread of its own, or on the thread of the loop."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")

#: Items that may wait or be worked on: enough to ride out a slow write, few enough to bound the
#: memory.
DEPTH = 3


class Background(Generic[Item]):
    """Call `work` on every item, in order, on a separate thread; a context manager.

    `put` waits while `DEPTH` items are unfinished, so a producer cannot outrun the disk. An error
    of `work` is raised by the next `put`, or by `finish`. Leaving the context ends the thread;
    items that are still waiting then are dropped.

    Notes
    -----
    Enter it inside `interrupts_held`, which defers signals while the thread starts and ends. A
    signal may come in `put` and `finish`. There `queue.Queue` and `threading.Semaphore` could lose
    a wake-up or keep their lock, and `Thread.join` could take a running thread for ended;
    `SimpleQueue` is one C function, which does its work whole or not at all.
    """

    def __init__(self, work: Callable[[Item], None]) -> None:
        self._work = work
        self._items: SimpleQueue[Item | None] = SimpleQueue()
        self._free: SimpleQueue[None] = SimpleQueue()  # one entry for each item that may come
        for _ in range(DEPTH):
            self._free.put(None)
        self._error: BaseException | None = None
        self._dropping = False
        self._thread = threading.Thread(target=self._run, name="stripe-writer", daemon=True)

    def put(self, item: Item) -> None:
        """Hand over one item."""
        self._raise()
        self._free.get()
        self._items.put(item)

    def finish(self) -> None:
        """Wait until every item is done, and raise the error of `work`, if any."""
        for _ in range(DEPTH):
            self._free.get()
        for _ in range(DEPTH):
            self._free.put(None)
        self._raise()

    def __enter__(self) -> "Background[Item]":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._dropping = True
        self._items.put(None)
        self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            try:
                if self._error is None and not self._dropping:
                    self._work(item)
            except BaseException as error:
                self._error = error
            self._free.put(None)


class Foreground(Generic[Item]):
    """Call `work` on every item within `put`: `Background` without a thread.

    Use it where no core is free for another thread.
    """

    def __init__(self, work: Callable[[Item], None]) -> None:
        self.put = work

    def finish(self) -> None:
        """Do nothing, because no item is waiting."""

    def __enter__(self) -> "Foreground[Item]":
        return self

    def __exit__(self, *error: object) -> None:
        pass
