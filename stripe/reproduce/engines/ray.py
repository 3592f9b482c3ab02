"""The engine of a Ray cluster with shared folders; its options: `cli/options/engines.py`."""

import logging
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from stripe.errors import StripeError
from stripe.reproduce.engines.order import Ready, Tally, run_in_order, unfinished
from stripe.reproduce.store.cost import estimate
from stripe.reproduce.store.execute import execute, fail
from stripe.reproduce.store.runs import StoredRun
from stripe.typed import typed

#: Largest number of restarts of a run after its node was lost.
RETRIES = 5


@typed
@dataclass(frozen=True, kw_only=True)
class Ray:
    """Execute runs on a Ray cluster. All nodes must have access to the same folders.

    Parameters
    ----------
    address
        Address of the cluster, as for `ray.init`. Default: a running cluster on this machine, or
        else a new one.
    gpus
        Number of GPUs per run. Default: 1, or 0 if the cluster has none. With a fraction such as
        0.5, several runs share a GPU.
    cpus
        Number of CPUs per run. A run has as many threads, rounded down, but at least one.

    Raises
    ------
    StripeError
        If `cpus` is not above 0, or `gpus` is below 0.

    Examples
    --------
    >>> from stripe.reproduce.engines import Ray
    >>> engine = Ray(cpus=2)
    >>> list(engine.map(abs, [-1, 2]))  # doctest: +SKIP
    [1, 2]
    """

    address: str | None = None
    gpus: float | None = None
    cpus: float = 1.0

    def __post_init__(self) -> None:
        if self.cpus <= 0 or (self.gpus is not None and self.gpus < 0):
            raise StripeError(
                "a run takes more than 0 CPUs and no fewer than 0 GPUs, got "
                f"{self.cpus}, {self.gpus}"
            )

    def run(self, runs: Sequence[StoredRun], *, retry: bool = True, progress: bool = True) -> None:
        """Execute every unfinished run on the cluster, in the order of `Local.run`.

        If a node is lost, another node continues its runs from their last checkpoints, up to five
        times per run.

        Parameters
        ----------
        runs, retry, progress
            As for `Local.run`.

        Raises
        ------
        StripeError
            If Ray is not installed, there is no cluster at the address, or the whole cluster has
            too few resources for a run.
        """
        waiting = unfinished(runs, retry=retry)
        if not waiting:
            return
        with _connected(self.address) as ray:
            each = self._share(ray.cluster_resources())
            costs, executed = estimate(runs), partial(_execute, ray, each)
            run_in_order(waiting, executed, costs=costs, progress=progress)

    def map(self, function: Callable[[Any], Any], items: list[Any]) -> Iterator[Any]:
        """Yield the result of `function` for each item, in order, computed on the cluster.

        Raises
        ------
        StripeError
            If Ray is not installed, or there is no cluster at the address.
        """
        with _connected(self.address) as ray:
            task = ray.remote(function).options(num_cpus=1, max_retries=RETRIES)
            ahead = 4 * max(1, int(ray.cluster_resources().get("CPU", 1)))
            waiting: deque[Any] = deque()
            for item in items:
                waiting.append(task.remote(item))
                if len(waiting) > ahead:  # so that results do not pile up
                    yield _result(ray, waiting.popleft())
            while waiting:
                yield _result(ray, waiting.popleft())

    def _share(self, cluster: Mapping[str, float]) -> dict[str, float]:
        """Return the CPUs and GPUs of each run, and raise if the cluster has too few."""
        gpus = (1.0 if cluster.get("GPU") else 0.0) if self.gpus is None else self.gpus
        each = {"CPU": self.cpus, "GPU": gpus}
        if short := [name for name, wanted in each.items() if wanted > cluster.get(name, 0)]:
            raise StripeError(
                f"the cluster has {cluster.get(short[0], 0):g} {short[0]}, and a run needs "
                f"{each[short[0]]:g}; give fewer with --{short[0].lower()}s-per-run"
            )
        return each


def _execute(ray: Any, each: Mapping[str, float], runs: Ready, timed: bool, tally: Tally) -> None:
    """Execute runs as they become ready, as many as the cluster takes, or one if timed."""
    device, threads = "cuda" if each["GPU"] else "cpu", max(1, int(each["CPU"]))
    task = ray.remote(execute).options(
        num_cpus=each["CPU"], num_gpus=each["GPU"], max_retries=RETRIES
    )
    at_a_time = 1 if timed else len(runs)
    pending: dict[Any, StoredRun] = {}
    while True:
        while len(pending) < at_a_time and (run := runs.take(wait=False)) is not None:
            pending[task.remote(_absolute(run), device, threads)] = run
        if not pending:
            return
        (done,), _ = ray.wait(list(pending))
        run = pending.pop(done)
        tally.count(run, well=_ended(ray, done, run))
        runs.ended()


def _ended(ray: Any, done: Any, run: StoredRun) -> bool:
    """Return whether a run succeeded; record a failure if Ray gave it up."""
    try:
        return bool(ray.get(done))
    except ray.exceptions.RayError as error:
        fail(run, f"Ray gave it up: {str(error).partition(chr(10))[0]}")
        return False


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # its text is a traceback of the node
        raise error.cause from None


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Yield Ray with a connection; a connection that existed before stays open."""
    try:
        import ray
    except ImportError as error:
        raise StripeError(
            "the engine ray needs the package ray, which is not installed; pip install "
            "'stripe-attention[ray]'"
        ) from error
    if ray.is_initialized():
        yield ray
        return
    host, colon, port = (address or "").rpartition("//")[2].rpartition(":")
    try:
        if colon and port.isdecimal():  # without a listener, Ray would wait for minutes
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        where = f"there is no Ray cluster at {address}" if address else "Ray cannot start here"
        raise StripeError(f"{where}: {reason}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _absolute(run: StoredRun) -> StoredRun:
    """Return a run with absolute paths, since processes of a cluster work in other directories."""
    paths = {name: p.absolute() for name, p in vars(run.config).items() if isinstance(p, Path)}
    return StoredRun(replace(run.config, **paths))  # type: ignore[type-var]  # all are dataclasses
