"""A pool of processes for the files of recordings."""

import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from stripe.errors import StripeError
from stripe.stats.moments import Over
from stripe.typed import typed


@typed
@contextmanager
def processes(count: int) -> Iterator[Over]:
    """Open a pool of processes, and yield its `map`, which yields results in order.

    Parameters
    ----------
    count
        Number of processes. Each needs about 70 MiB of memory.

    Raises
    ------
    StripeError
        If `count` is less than 1.

    Examples
    --------
    >>> with stripe.stats.processes(2) as over:
    ...     table = stripe.stats.channel_moments(recording, over=over)
    >>> table["epoch"].unique().tolist()
    [0, 1, 2]
    """
    if count < 1:
        raise StripeError(f"a pool has at least one process, got {count}")
    # Spawned, since a fork of a process that has run torch may hang. Workers ignore SIGINT; the
    # parent handles it.
    pool = ProcessPoolExecutor(
        count,
        get_context("spawn"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)
