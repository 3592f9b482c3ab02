"""What runs cost: estimates by hand, from finished runs, and what a progress bar says is left."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stripe.cli.reproduce import _cost
from stripe.reproduce.engines import Local
from stripe.reproduce.engines.order import Tally
from stripe.reproduce.kinds.gates import GateNumbers
from stripe.reproduce.store.cost import Costs, clocked, estimate, run_seconds
from stripe.reproduce.store.measurement import MEASURED
from stripe.reproduce.store.runs import StoredRun, stored
from stripe.settings import Settings
from stripe.style import StyleConfig
from stripe.train import TrainConfig, precision
from stripe.train.run import WEIGHTS

BARE = TrainConfig(backbone="resnet20", epochs=2, limit=100)


def finished(config: Settings, store: Path, seconds: float) -> StoredRun:
    run = stored(config, store)
    run.config.out.mkdir(parents=True)
    (run.config.out / WEIGHTS).touch()
    (run.config.out / MEASURED).touch()
    (store / f"{run.config.out.name}.seconds").write_text(f"{seconds}\n")
    return run


def test_seconds_are_proportional_to_images(tmp_path: Path) -> None:
    """10 and 14 seconds for 200 images are 0.06 s an image; 3 epochs of 7,000 are 1,260 s."""
    runs = [finished(replace(BARE, seed=s), tmp_path, 10 + 4 * s) for s in (0, 1)]
    longer = stored(replace(BARE, epochs=3, limit=None), tmp_path)
    unlike = stored(replace(BARE, backbone="vgg19"), tmp_path)
    costs = estimate([*runs, longer, longer, unlike])
    assert costs.seconds == {longer.config.out: pytest.approx(0.06 * 21_000)}
    assert costs.unknown == 1
    assert costs.hours == pytest.approx(0.35)


def test_the_closest_likeness_decides(tmp_path: Path) -> None:
    bare = finished(BARE, tmp_path, 10)
    with_se = finished(replace(BARE, attention="se"), tmp_path, 30)
    asr = stored(replace(BARE, asr="se"), tmp_path)  # no attention: like the bare one
    same = stored(replace(BARE, attention="se", seed=1), tmp_path)
    other = stored(replace(BARE, attention="spa"), tmp_path)  # like any ResNet20
    seconds = estimate([bare, with_se, asr, same, other]).seconds
    expected = {asr.config.out: 10, same.config.out: 30, other.config.out: 20}
    assert seconds == pytest.approx(expected)


def test_a_run_that_was_paused_for_hours_changes_no_estimate(tmp_path: Path) -> None:
    runs = [finished(replace(BARE, seed=s), tmp_path, 9_000 if s == 1 else 10) for s in range(3)]
    next_one = stored(replace(BARE, seed=3), tmp_path)
    assert estimate([*runs, next_one]).seconds == {next_one.config.out: pytest.approx(10)}


def test_measurements_and_style(tmp_path: Path) -> None:
    style = StyleConfig(variant="in", steps=10)
    runs = [
        finished(GateNumbers(of=("a",)), tmp_path, 4),
        finished(style, tmp_path, 5),
        looks := stored(GateNumbers(of=("b",)), tmp_path),
        painting := stored(replace(style, variant="bn", steps=40), tmp_path),
    ]
    assert estimate(runs).seconds == {looks.config.out: 4, painting.config.out: 20}


def test_seconds_add_up_over_attempts(tmp_path: Path) -> None:
    run = finished(BARE, tmp_path, 100)
    with pytest.raises(KeyboardInterrupt), clocked(run):
        raise KeyboardInterrupt
    spent = run_seconds(run)
    assert spent is not None
    assert spent >= 100
    with clocked(run):
        pass
    again = run_seconds(run)
    assert again is not None
    assert again >= spent


def test_a_run_of_an_older_store_costs_the_seconds_of_its_log(tmp_path: Path) -> None:
    run = stored(BARE, tmp_path)
    run.config.out.mkdir(parents=True)
    (run.config.out / WEIGHTS).touch()
    log = pd.DataFrame({"epoch": [1, 2], "seconds": [3.0, 4.5]})
    log.to_parquet(run.config.out / "history.parquet")
    assert run_seconds(run) == 7.5
    measured = stored(GateNumbers(of=("a",)), tmp_path)
    assert run_seconds(measured) is None


def test_words() -> None:
    one = {Path("a"): 3600.0}
    assert Costs(one, 0).words(1) == "1 run to do, about 1.0 hours with 1 worker"
    assert Costs(one, 2).words(2) == (
        "3 runs to do; 1 of them need about 0.5 hours with 2 workers, and no run like the others "
        "is finished"
    )
    assert Costs({}, 2).words(2) == (
        "2 runs to do; how long is not known, because no run like them is finished"
    )


def test_what_is_left_by_hand() -> None:
    """Runs of 10 and 30 s, and one unknown, taken as 20: after the first, in 5 s, 25 s are left."""

    class Bar:
        shown: dict[str, Any]

        def update(self) -> None:
            pass

        def set_postfix(self, shown: dict[str, Any]) -> None:
            self.shown = shown

    now = iter((0.0, 5.0, 5.0, 40.0))
    runs = {name: StoredRun(replace(BARE, out=Path(name))) for name in "abc"}
    bar = Bar()
    costs = Costs({Path("a"): 10.0, Path("b"): 30.0}, unknown=1)
    tally = Tally(bar, costs, clock=lambda: next(now))
    tally.count(runs["a"], well=True)
    assert bar.shown == {"hours_left": "0.0"}
    assert tally.hours_left == pytest.approx(25 / 3600)
    tally.count(runs["c"], well=False)
    assert bar.shown == {"hours_left": "0.0", "failed": 1}


@pytest.mark.parametrize(("native", "lines"), [("bf16", 1), ("fp32", 2)])
def test_emulated_precision_is_told_before_runs_begin(
    native: str, lines: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "native_precision", lambda _: native)
    run = stored(replace(BARE, precision="bf16"), tmp_path)
    said = _cost([run, stored(BARE, tmp_path)], Local(device="cpu", workers=1)).splitlines()
    assert len(said) == lines
    assert "2 runs to do" in said[0]
    assert lines == 1 or "1 of them train in bfloat16: this CPU has no AVX-512" in said[1]
