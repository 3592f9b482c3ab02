"""Read the next piece of a recording in a thread while this one is reduced."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_END: Any = object()


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items of an iterator, while a thread makes the next one."""
    with _threads(1) as threads:
        coming = threads.submit(next, items, _END)
        while (item := coming.result()) is not _END:
            coming = threads.submit(next, items, _END)
            yield item


def in_pairs(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Map a function over items, two at a time, and yield the results in order."""
    coming: deque[Future[Result]] = deque()
    with _threads(2) as threads:
        for item in items:
            coming.append(threads.submit(function, item))
            if len(coming) > 2:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Open threads; work that has not begun is dropped at the end."""
    threads = ThreadPoolExecutor(count, thread_name_prefix="stripe-stats")
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)
