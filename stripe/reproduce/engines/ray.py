"""A Ray cluster, whose nodes share the folders of runs and recordings."""

import logging
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from stripe.errors import StripeError
from stripe.reproduce.engines.local import in_stages, is_ready, is_timed, tell, unfinished
from stripe.reproduce.store.execute import do, fail
from stripe.reproduce.store.runs import StoredRun
from stripe.stats.moments import Over

#: How often a run is begun again after its node was lost.
RETRIES = 5


def sweep_on_ray(
    runs: Sequence[StoredRun],
    *,
    address: str | None = None,
    gpus: float | None = None,
    cpus: float = 1,
    retry: bool = True,
    progress: bool = True,
) -> None:
    """Do every run that is not finished on a Ray cluster, as `sweep` does it on this machine.

    A run whose node is lost is begun again elsewhere, from its last checkpoint.

    Parameters
    ----------
    runs
        From `stored`, in a folder that all nodes see under the same path.
    address
        Address of the cluster, as for `ray.init`. Default: one that runs here, or this machine
        alone.
    gpus
        Per run; by default 1 where the cluster has GPUs, else 0. A share, as 0.5, lets runs share.
    cpus
        Per run, and so its threads.
    retry
        Try again what failed before.
    progress
        Show a progress bar.

    Raises
    ------
    StripeError
        If Ray is not installed, there is no cluster at the address, or all its nodes together have
        less than a run wants.
    """
    waiting = unfinished(runs, retry=retry)
    if not waiting:
        return
    if cpus <= 0 or (gpus is not None and gpus < 0):
        raise StripeError(
            f"a run takes more than 0 CPUs and no fewer than 0 GPUs, got {cpus}, {gpus}"
        )
    bar = tqdm(total=len(waiting), desc="sweep", unit=" runs", disable=not progress)
    with bar, _connected(address) as ray:
        has = ray.cluster_resources()
        each = {"CPU": cpus, "GPU": (1.0 if has.get("GPU") else 0.0) if gpus is None else gpus}
        if short := [name for name, wanted in each.items() if wanted > has.get(name, 0)]:
            raise StripeError(
                f"the cluster has {has.get(short[0], 0):g} {short[0]}, and a run wants "
                f"{each[short[0]]:g}; give fewer with --{short[0].lower()}s-per-run"
            )
        device = "cuda" if each["GPU"] else "cpu"
        task = ray.remote(do).options(
            num_cpus=each["CPU"], num_gpus=each["GPU"], max_retries=RETRIES
        )
        for stage in in_stages(waiting):
            at_a_time = 1 if is_timed(stage[0]) else len(stage)
            queue = deque(_absolute(run) for run in stage if is_ready(run))
            pending: dict[Any, StoredRun] = {}
            while queue or pending:
                while queue and len(pending) < at_a_time:
                    run = queue.popleft()
                    pending[task.remote(run, device, max(1, int(cpus)))] = run
                (done,), _ = ray.wait(list(pending))
                tell(bar, well=_ended(ray, done, pending.pop(done)))


def _ended(ray: Any, done: Any, run: StoredRun) -> bool:
    """Return whether a run went well, and write it down where its node was lost too often."""
    try:
        return bool(ray.get(done))
    except ray.exceptions.RayError as error:
        fail(run, f"Ray gave it up: {str(error).partition(chr(10))[0]}")
        return False


@contextmanager
def mapped_on_ray(address: str | None = None) -> Iterator[Over]:
    """Connect to a Ray cluster, and give what maps a function over a list there, in order.

    For `stripe.stats.channel_moments`, of recordings that all nodes see under the same path.

    Parameters
    ----------
    address
        As for `sweep_on_ray`.

    Raises
    ------
    StripeError
        If Ray is not installed, or there is no cluster at the address.
    """
    with _connected(address) as ray:

        def result(reference: Any) -> Any:
            try:
                return ray.get(reference)
            except ray.exceptions.RayTaskError as error:  # whose text is a traceback of the node
                raise error.cause from None

        def over(function: Callable[[Any], Any], items: list[Any]) -> Iterator[Any]:
            task = ray.remote(function).options(num_cpus=1, max_retries=RETRIES)
            ahead = 4 * max(1, int(ray.cluster_resources().get("CPU", 1)))
            waiting: deque[Any] = deque()
            for item in items:
                waiting.append(task.remote(item))
                if len(waiting) > ahead:  # so that results do not pile up
                    yield result(waiting.popleft())
            while waiting:
                yield result(waiting.popleft())

        yield over


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Give Ray, connected; a connection that was there stays."""
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
    host, colon, port = (address or "").rpartition(":")
    try:
        if colon and port.isdecimal():  # where nobody listens, Ray would wait for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StripeError(f"there is no Ray cluster at {address}: {reason}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _absolute(run: StoredRun) -> StoredRun:
    """Return a run whose paths mean the same in the processes of a cluster."""
    paths = {name: p.absolute() for name, p in vars(run.config).items() if isinstance(p, Path)}
    return StoredRun(replace(run.config, **paths))  # type: ignore[type-var]  # all are dataclasses
