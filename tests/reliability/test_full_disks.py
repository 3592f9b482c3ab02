"""Trainings and stores on file systems that are full, and then have room."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from disks import mounted, remounted

from stripe.errors import StripeError
from stripe.gates import fingerprint
from stripe.reproduce.engines import Local
from stripe.reproduce.store.execute import execute
from stripe.reproduce.store.runs import stored
from stripe.train import TrainConfig, train
from stripe.train.verify import verify_run

pytestmark = pytest.mark.slow

SMALL = TrainConfig(
    backbone="resnet11", attention="se", epochs=1, limit=32, batch_size=16, precision="fp32",
    device="cpu",
)  # fmt: skip


@pytest.mark.parametrize("size", ["12k", "200k"])
def test_a_store_on_a_full_disk(size: str, tmp_path: Path) -> None:
    """The sweep ends in one line, also where no room is left for the error of a run."""
    once = stored(SMALL, tmp_path / "elsewhere")
    assert execute(once, "cpu", torch.get_num_threads())
    with mounted(tmp_path / "disk", size) as disk:
        runs = [stored(replace(SMALL, seed=seed), disk / "a/store") for seed in (0, 1)]
        with pytest.raises(StripeError, match=r"cannot write .*No space left .*make room") as said:
            Local(workers=1, device="cpu").run(runs, progress=False)
        assert "\n" not in str(said.value)
        remounted(disk, "size=64m")
        Local(workers=1, device="cpu").run(runs, progress=False)
        assert runs[0].scores == once.scores
        assert all(set(verify_run(run.config.out)["state"]) == {"whole"} for run in runs)


@pytest.mark.parametrize("size", ["24k", "300k", "500k", "1000k"])
def test_a_training_on_a_full_disk(size: str, tmp_path: Path) -> None:
    """Refused in a line that says what to do; with room, it ends as the uninterrupted run does."""
    whole = train(replace(SMALL, epochs=2, out=tmp_path / "whole"), progress=False)
    with mounted(tmp_path / "disk", size) as disk:
        config = replace(SMALL, epochs=2, out=disk / "run")
        try:
            train(config, progress=False)
        except StripeError as error:
            said = str(error)
            assert "No space left" in said
            assert re.search("make room|choose another", said)
            assert "\n" not in said
        else:
            assert size == "1000k", "the file system must be too small"
        remounted(disk, "size=64m")
        again = train(config, resume=True, progress=False)
        assert set(verify_run(config.out)["state"]) == {"whole"}
        assert fingerprint(again.model) == fingerprint(whole.model)
