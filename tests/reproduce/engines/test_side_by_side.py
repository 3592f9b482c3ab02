"""A run has the same results alone as beside others, to the bit."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stripe.reproduce.engines import Local
from stripe.reproduce.store.runs import StoredRun
from stripe.train import TrainConfig
from stripe.train.log import read_history


@pytest.mark.slow
def test_runs_side_by_side_equal_runs_alone(fashion: Path, tmp_path: Path) -> None:
    configs = [
        TrainConfig(
            dataset="fashion_mnist", data_root=fashion, backbone="resnet11", attention="se",
            epochs=2, limit=48, batch_size=16, device="cpu", seed=seed,
            out=tmp_path / place / str(seed),
        )
        for place in ("alone", "beside") for seed in (0, 1, 2)
    ]  # fmt: skip
    alone, beside = configs[:3], configs[3:]
    for config in alone:
        Local(workers=2, device="cpu").run([StoredRun(config)], progress=False)
    Local(workers=2, device="cpu").run([StoredRun(config) for config in beside], progress=False)
    for one, other in zip(alone, beside, strict=True):
        left, right = (load_file(config.out / "model.safetensors") for config in (one, other))
        assert all(torch.equal(left[name], right[name]) for name in left)
        histories = [read_history(config.out) for config in (one, other)]
        first, second = (history.drop(columns="seconds", errors="ignore") for history in histories)
        assert first.equals(second)
