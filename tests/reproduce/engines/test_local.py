"""How many workers the engine of this machine has, and on which device each."""

from collections.abc import Callable

import pytest
import torch

from stripe.errors import StripeError
from stripe.reproduce.engines import Local
from stripe.reproduce.engines.local import devices_of


def test_gpus_are_dealt_out_in_turn() -> None:
    assert devices_of(5, 2, "auto") == ["cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0"]
    assert devices_of(2, 0, "cpu") == ["cpu", "cpu"]


def test_counts_that_cannot_be() -> None:
    with pytest.raises(StripeError, match="runs_per_gpu must be at least 1, got 0"):
        Local(runs_per_gpu=0)
    with pytest.raises(StripeError, match="got both; leave one of them out"):
        Local(workers=2, runs_per_gpu=2)
    with pytest.raises(StripeError, match="needs a GPU, and the device cpu has none"):
        Local(runs_per_gpu=2, device="cpu").run([], progress=False)


def test_runs_at_a_time() -> None:
    assert Local(workers=3, device="cpu").at_a_time() == 3
    if gpus := torch.cuda.device_count():
        assert Local(runs_per_gpu=3).at_a_time() == 3 * gpus


def test_the_option(run: Callable[..., tuple[int, str]]) -> None:
    for options, said in (
        (["--runs-per-gpu=2", "--workers=2"], "got both"),
        (["--runs-per-gpu=2", "--engine=ray"], "--runs-per-gpu is not supported by the engine ray"),
        (["--runs-per-gpu=0"], "runs_per_gpu must be at least 1"),
    ):
        code, printed = run("reproduce", "table9", "--scale=test", *options)
        assert code == 1
        assert said in printed
