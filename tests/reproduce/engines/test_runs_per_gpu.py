"""`--runs-per-gpu auto`: an earlier measurement of the same card, or a new one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stripe.errors import StripeError
from stripe.reproduce.engines.runs_per_gpu import chosen

FOUND = {"hardware": "card", "rehearsal": False, "done": True, "best": 4}


def unmeasured() -> dict[int, float]:
    raise AssertionError("measured again")


def measured() -> dict[int, float]:
    return {1: 100.0, 2: 190.0}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [tmp_path / "gpu" / "together.json", tmp_path / "runs" / "runs_per_gpu.json"]


def test_the_measurement_of_the_hour_is_read(files: list[Path]) -> None:
    files[0].parent.mkdir()
    files[0].write_text(json.dumps(FOUND))
    assert chosen("card", unmeasured, files) == 4


@pytest.mark.parametrize("other", [{"hardware": "old"}, {"rehearsal": True}, {"done": False}])
def test_another_card_is_measured_once(files: list[Path], other: dict[str, object]) -> None:
    files[0].parent.mkdir()
    files[0].write_text(json.dumps({**FOUND, **other}))
    assert chosen("card", measured, files) == 2
    assert chosen("card", unmeasured, files) == 2


def test_a_damaged_measurement_is_one_line(files: list[Path]) -> None:
    files[0].parent.mkdir()
    files[0].write_text('{"done": true}')
    with pytest.raises(StripeError, match=r"must hold a measurement.*or give --runs-per-gpu a num"):
        chosen("card", unmeasured, files)


def test_without_a_gpu_the_error_names_the_remedy(run: Callable[..., tuple[int, str]]) -> None:
    options = ("--scale=test", "--device=cpu", "--runs-per-gpu=auto")
    code, said = run("reproduce", "table9", *options)
    assert code == 1
    assert "needs a measurement on a GPU, and the device cpu has none here; leave it out" in said
    code, said = run("reproduce", "table9", "--runs-per-gpu=many")
    assert code != 0
    assert "auto" in said
