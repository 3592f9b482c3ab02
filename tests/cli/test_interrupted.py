"""An interrupted command says what was kept and how to go on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from torch import Tensor, nn

from stripe.cli.interrupted import Interrupted, after_interrupt, interruptible
from stripe.intervene.ablate import ablate

Run = Callable[..., tuple[int, str]]

AGAIN = "nothing was kept; the same command begins again"
COMMANDS = {
    "record": (["--out", "r"], "no part of this epoch was kept"),
    "audit": (["--out", "a.html"], AGAIN),
    "ablate": (["--out", "t.csv"], AGAIN),
    "cam": (["--layer", "layer3", "--out", "c.png"], AGAIN),
}


@pytest.mark.parametrize("command", list(COMMANDS))
def test_it_says_what_was_kept(
    command: str, subject: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERRUPT_AT", "0" if command == "cam" else "2")
    options, kept = COMMANDS[command]
    code, said = run(command, *subject, *options)
    assert (code, said.splitlines()[-1].startswith(f"interrupted: {kept}")) == (130, True), said
    assert not list(Path().glob("*.html")) + list(Path().glob("*.csv")) + list(Path().glob("*.png"))


def test_a_folder_with_the_name_of_a_command_is_not_one() -> None:
    assert after_interrupt(["verify", "record"]) == AGAIN
    assert "finished runs" in after_interrupt(["sweep", "repeat", "table8"])


def test_finished_rows_of_noise_are_kept(
    subject: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERRUPT_AT", "4")  # passes: the size, the classes, a row
    noises = ["--spec", "constant:0.9,0.1", "--spec", "constant:0.5,0.1"]
    code, said = run("noise", *subject, *noises, "--out", "t.csv")
    assert code == 130, said
    assert "interrupted: finished rows are printed above, and nothing else was kept" in said
    assert "constant:0.9,0.1" in said
    assert "constant:0.5,0.1" not in said
    assert pd.read_csv("t.csv")["noise"].tolist() == ["none", "constant:0.9,0.1"]


def test_finished_rows_of_ablations_are_kept(
    subject: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--interventions", "zero", "one", "--out"]
    assert run("ablate", *subject, *options, "all.csv")[0] == 0
    whole, passes = pd.read_csv("all.csv"), len(Path("passes").read_text())
    monkeypatch.setenv("INTERRUPT_AT", str(2 * passes - 2))  # the last row but one
    code, said = run("ablate", *subject, *options, "t.csv")
    assert code == 130, said
    kept = len(whole) - 2
    end = f"interrupted: {kept} of {len(whole)} rows are finished and printed above, and are in "
    assert said.splitlines()[-1].startswith(end + "t.csv; "), said
    pd.testing.assert_frame_equal(pd.read_csv("t.csv"), whole[:kept])
    assert f" {whole['gate'][kept - 1]} " in said


def test_an_interrupt_of_ablate_reaches_python(small_model: nn.Sequential, images: Tensor) -> None:
    def stop(_: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ablate(small_model, [images], None, {"half": 0.5, "stop": stop}, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["record", "noise"])
def test_a_signal_to_the_process(command: str, subject: list[str]) -> None:
    options = {"record": ["--out", "r"], "noise": ["--spec", "random:0.1,0.1", "--seeds", "50"]}
    environment = {**os.environ, "SLEEP": "0.5"}
    process = subprocess.Popen(
        [sys.executable, "-m", "stripe", command, *subject, *options[command]],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    started = time.monotonic()
    passes = Path("passes")
    while not passes.exists() or len(passes.read_text()) < 3:
        assert time.monotonic() < started + 200
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 130, said
    assert f"interrupted: {'no part' if command == 'record' else 'finished rows'}" in said
    assert "Traceback" not in said


def test_an_interrupt_during_the_imports_is_one_line() -> None:
    code = (
        "import sys, types, stripe.__main__ as command\n"
        "class Slow(types.ModuleType):\n"
        "    def __getattr__(self, name): raise KeyboardInterrupt\n"
        "sys.modules['stripe.cli'] = Slow('stripe.cli')\n"
        "command.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr == "\ninterrupted: nothing was kept; the same command begins again\n"


def test_a_training_says_how_to_go_on(tmp_path: Path) -> None:
    from stripe.cli.interrupted import after_training
    from stripe.train import TrainConfig

    out = tmp_path / "run"
    own = TrainConfig(backbone="mine:build", out=out)
    assert after_training(own) == "nothing was kept; the same command begins again"
    out.mkdir()
    (out / "config.json").write_text("{}")
    again = f"finished epochs were kept; go on with: stripe train --resume --out {out}"
    assert after_training(TrainConfig(backbone="resnet20", out=out)) == again
    assert after_training(own) == f"{again} --backbone mine:build"


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interrupt_keeps_its_code_and_says_what_was_kept(stop: BaseException) -> None:
    code = 143 if isinstance(stop, SystemExit) else 130
    with pytest.raises(Interrupted, match="all of it") as told, interruptible(lambda: "all of it"):
        raise stop
    assert told.value.code == code
    with pytest.raises(SystemExit) as silent, interruptible(lambda: "nothing", told=False):
        raise stop
    assert silent.value.code == code
