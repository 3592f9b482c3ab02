"""Two processes that begin a training in one directory at the same time."""

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from stripe.errors import StripeError
from stripe.train import TrainConfig, train
from stripe.train.verify import verify_run

pytestmark = pytest.mark.slow

CONFIG = TrainConfig(
    backbone="resnet11", attention="se", epochs=1, limit=32, batch_size=16, precision="fp32",
    device="cpu", record=True, record_images=8,
)  # fmt: skip


def race(out: Path, barrier: Barrier, said: Any) -> None:
    """Train at the same time as another process; say how that ended."""
    barrier.wait()
    try:
        train(replace(CONFIG, out=out), progress=False)
        said.put("done")
    except StripeError as error:
        said.put(str(error))


def test_one_of_two_trainings_is_refused(tmp_path: Path, times: Callable[[int, int], int]) -> None:
    context = multiprocessing.get_context("spawn")
    for number in range(times(2, 12)):
        out, barrier, said = tmp_path / str(number), context.Barrier(2), context.Queue()
        both = [context.Process(target=race, args=(out, barrier, said)) for _ in range(2)]
        for process in both:
            process.start()
        results = sorted((said.get(timeout=240) for _ in both), key=len)
        for process in both:
            process.join()
            process.close()
        assert results[0] == "done"
        allowed = ("takes one writer at a time", "must be a new or empty directory")
        assert any(words in results[1] for words in allowed), results
        assert set(verify_run(out)["state"]) == {"whole"}
        assert not (out / "run.lock").exists()
