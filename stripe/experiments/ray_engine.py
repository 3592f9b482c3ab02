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
from stripe.experiments.runs import StoredRun
from stripe.experiments.sweep import in_stages, run_one, tell, unfinished
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
    """Do every run that is not finished on a Ray cluster; what fails does not stop the rest.

    A run whose node is lost is begun again elsewhere, from its last checkpoint.

    Parameters
    ----------
    runs
        From `stored`, in a folder that all nodes see under the same path.
    address
        Of the cluster, as for `ray.init`; by default one that is running here, or else this machine
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
    ray = _connected(address)
    try:
        has = ray.cluster_resources()
        each = {"CPU": cpus, "GPU": (1.0 if has.get("GPU") else 0.0) if gpus is None else gpus}
        if short := [name for name, wanted in each.items() if wanted > has.get(name, 0)]:
            raise StripeError(
                f"the cluster has {has.get(short[0], 0):g} {short[0]}, and a run wants "
                f"{each[short[0]]:g}; give fewer with --{short[0].lower()}s-per-run"
            )
        device = "cuda" if each["GPU"] else "cpu"
        task = ray.remote(run_one).options(
            num_cpus=each["CPU"], num_gpus=each["GPU"], max_retries=RETRIES
        )
        threads = max(1, int(cpus))
        with tqdm(total=len(waiting), desc="sweep", unit=" runs", disable=not progress) as bar:
            for stage in in_stages(waiting):
                pending = [task.remote(_absolute(run), device, threads) for run in stage]
                while pending:
                    (done,), pending = ray.wait(pending)
                    try:
                        well = ray.get(done)
                    except ray.exceptions.RayError:  # its node was lost too often
                        well = False
                    tell(bar, well=well)
    finally:
        ray.shutdown()


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
    ray = _connected(address)

    def over(function: Callable[[Any], Any], items: list[Any]) -> Iterator[Any]:
        task = ray.remote(function).options(num_cpus=1, max_retries=RETRIES)
        ahead = 4 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting: deque[Any] = deque()
        for item in items:
            waiting.append(task.remote(item))
            if len(waiting) > ahead:  # so that results do not pile up
                yield ray.get(waiting.popleft())
        while waiting:
            yield ray.get(waiting.popleft())

    try:
        yield over
    finally:
        ray.shutdown()


def _connected(address: str | None) -> Any:
    try:
        import ray
    except ImportError as error:
        raise StripeError(
            "the engine ray needs the package ray, which is not installed; pip install "
            "'stripe-attention[ray]'"
        ) from error
    host, colon, port = (address or "").rpartition(":")
    try:
        if colon and port.isdecimal():  # where nobody listens, Ray would wait for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StripeError(f"there is no Ray cluster at {address}: {reason}") from error
    return ray


def _absolute(run: StoredRun) -> StoredRun:
    """Return a run whose paths mean the same in the processes of a cluster."""
    paths = {name: p.absolute() for name, p in vars(run.config).items() if isinstance(p, Path)}
    return StoredRun(replace(run.config, **paths))  # type: ignore[type-var]  # all are dataclasses
