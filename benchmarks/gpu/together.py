"""How many small networks to train at a time on one GPU: processes side by side, measured."""

import time
from multiprocessing import get_context
from typing import Any

import torch

import stripe
from benchmarks.common import random_images
from benchmarks.gpu.slices import Outcome, Setting
from stripe.data import DeviceLoader
from stripe.train.step import train_step

#: Processes that are tried; more are chosen only where they train this much more in all.
COUNTS, GAIN = (1, 2, 4, 8), 1.05
BATCH = 128


def together(setting: Setting) -> Outcome:
    """Measure the images/s of 1, 2, 4 and 8 processes, in all; `best` is the number to choose."""
    counts, steps = ((1, 2), 2) if setting.rehearse else (COUNTS, 300)
    rates = {number: _rate(number, steps, setting) for number in counts}
    return {"images_per_s_in_all": rates, "best": best(rates)}, True


def best(rates: dict[int, float]) -> int:
    """Return the smallest number of processes that is not clearly slower than a larger one."""
    return min(number for number, rate in rates.items() if rate * GAIN >= max(rates.values()))


def _rate(number: int, steps: int, setting: Setting) -> float:
    """Return images/s of as many processes together, from the time that the slowest takes."""
    context: Any = get_context("spawn")  # a fork cannot use a GPU that its parent uses
    ready, seconds = context.Barrier(number), context.Queue()
    batch = 8 if setting.rehearse else BATCH
    arguments = (setting.device, batch, steps, ready, seconds)
    processes = [context.Process(target=_train, args=arguments) for _ in range(number)]
    for process in processes:
        process.start()
    took: list[float] = [seconds.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    return number * steps * batch / max(took)


def _train(device: str, batch: int, steps: int, ready: Any, seconds: Any) -> None:
    """Train a ResNet20; what sets itself up is not counted."""
    torch.set_num_threads(1)
    model = stripe.build("resnet20", num_classes=100, seed=0).to(device).train()
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
    loader = DeviceLoader(random_images(batch), batch, device=device, shuffle=True, augment=True)
    for number in range(steps + 3):
        if number == 3:
            _wait(device)
            ready.wait(timeout=120)
            started = time.perf_counter()
        for images, labels in loader:
            train_step(model, optimizer, images, labels, torch.autocast(device, torch.bfloat16))
    _wait(device)
    seconds.put(time.perf_counter() - started)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
