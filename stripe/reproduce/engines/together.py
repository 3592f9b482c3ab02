"""Measure how many small networks one GPU trains fastest at a time, in separate processes."""

import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from stripe.backbones import build
from stripe.data import DeviceLoader, ImageSet
from stripe.errors import StripeError
from stripe.train.step import train_step

#: Numbers of processes to try, and the total gain in speed for which a larger number is chosen.
COUNTS, GAIN = (1, 2, 4, 8), 1.05
BATCH, STEPS = 128, 300
#: Steps before the clock starts, and seconds that a process waits for the others to reach it.
_WARM, _PATIENCE = 3, 300.0

#: What a process trains: (device, batch, steps, barrier) -> seconds of the timed steps.
Training = Callable[[str, int, int, Any], float]


def rates(
    device: str, *, counts: Sequence[int] = COUNTS, batch: int = BATCH, steps: int = STEPS
) -> dict[int, float]:
    """Return the total images per second of several processes, by number of processes.

    Parameters
    ----------
    device
        Device that the processes share.
    counts
        Numbers of processes.
    batch, steps
        Images per training step of a ResNet20, and timed steps of each process.

    Raises
    ------
    StripeError
        If a process fails. The message contains its error.
    """
    return {number: rate(number, device, batch=batch, steps=steps) for number in counts}


def best(found: dict[int, float]) -> int:
    """Return the smallest number of processes that is not clearly slower than a larger one.

    Examples
    --------
    >>> best({1: 100.0, 2: 180.0, 4: 250.0, 8: 255.0})
    4
    """
    return min(number for number, speed in found.items() if speed * GAIN >= max(found.values()))


def train_resnet20(device: str, batch: int, steps: int, ready: Any) -> float:
    """Train a ResNet20 on random images, and return the seconds of the steps after the barrier."""
    torch.set_num_threads(1)
    model = build("resnet20", num_classes=100, seed=0).to(device).train()
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
    loader = DeviceLoader(_images(batch), batch, device=device, shuffle=True, augment=True)
    autocast = torch.autocast(torch.device(device).type, torch.bfloat16)
    for number in range(steps + _WARM):
        if number == _WARM:
            _finish(device)
            ready.wait(timeout=_PATIENCE)
            started = time.perf_counter()
        for images, labels in loader:
            train_step(model, optimizer, images, labels, autocast)
    _finish(device)
    return time.perf_counter() - started


def rate(
    number: int, device: str, *, batch: int, steps: int, training: Training = train_resnet20
) -> float:
    """Return the total images per second of several processes, from the time of the slowest.

    Raises
    ------
    StripeError
        If a process fails or dies. The other processes are then killed.
    """
    context: Any = get_context("spawn")  # a fork cannot use a GPU that its parent uses
    ready = context.Barrier(number)
    running: dict[Any, Any] = {}
    try:
        for _ in range(number):
            mine, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=_report, args=(theirs, training, device, batch, steps, ready)
            )
            process.start()
            theirs.close()
            running[mine] = process
        return number * steps * batch / max(_seconds(running))
    finally:
        for process in running.values():
            process.kill()
            process.join()


def _seconds(running: dict[Any, Any]) -> list[float]:
    """Return the seconds of all processes, or raise the first error of one."""
    waiting = dict(running)
    found: list[float] = []
    while waiting:
        end: Any
        for end in wait([*waiting]):
            process = waiting.pop(end)
            try:
                said: Any = end.recv()
            except EOFError:
                process.join()
                said = f"it ended with exit code {process.exitcode}, perhaps for lack of memory"
            if isinstance(said, str):
                raise StripeError(
                    f"{len(running)} trainings at a time must run side by side, and one failed: "
                    f"{said}; give a smaller number of runs per GPU"
                )
            found.append(said)
    return found


def _report(
    end: Connection, training: Training, device: str, batch: int, steps: int, ready: Any
) -> None:
    """Send the seconds of a training, or the first line of its error."""
    try:
        end.send(training(device, batch, steps, ready))
    except Exception as error:  # the parent process reports any error
        end.send(f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}")


def _images(count: int) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(100, (count,), generator=generator)
    return ImageSet("random/train", pixels, labels, tuple(map(str, range(100))),
                    (0.5,) * 3, (0.25,) * 3)  # fmt: skip


def _finish(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
