"""Tables of the paper: what they mean, their runs, each once, and what they say."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import stripe
from stripe.asr import Psi
from stripe.errors import ModelError, StripeError, UnknownNameError
from stripe.reproduce.engines import Local
from stripe.reproduce.paper.catalogue import exhibit
from stripe.reproduce.paper.cells import Cell, fields_of
from stripe.reproduce.paper.results import paper_results
from stripe.reproduce.paper.scales import SCALES, scale
from stripe.reproduce.paper.tables import TABLES
from stripe.reproduce.reproduction import Reproduction, reproduction
from stripe.reproduce.store.runs import StoredRun, stored
from stripe.reproduce.verdict import interval
from stripe.train import TrainConfig

_BARE = {"attention": None, "asr": None}


def test_the_papers_numbers() -> None:
    numbers = paper_results()
    assert len(numbers) == 305
    cell = numbers[(numbers["table"] == 8) & (numbers["setting"] == "constant(0.8,0.8)")]
    assert cell["value"].tolist() == [45.42, 68.81, 69.85, 69.57]


@pytest.mark.parametrize(
    ("method", "setting", "expected"),
    [
        ("base", "", {"attention": None, "asr": None}),
        ("ASR(SE)", "delta=3", {"attention": None, "asr": "se", "copies": 3}),
        ("SE+ASR(SE)", "with ASR", {"attention": "se", "asr": "se"}),
        ("SRM", "without ASR", {"attention": "srm", "asr": None}),
        ("ACNet+ASR(SE)", "", {"attention": None, "asr": "se"}),
        ("ASR without attention module", "", {"attention": None, "asr": "psi"}),
        ("ASR(IE)", "psi=N_0.3", {"attention": None, "asr": "ie", "psi": "normal:0.3,fixed"}),
        ("ASR(IE)", "psi_init=0.1", {"attention": None, "asr": "ie"}),
        ("ASR(IE)", "psi_init=0.4", {"attention": None, "asr": "ie", "psi": "0.4"}),
        ("base", "random(0.1,0.2)", {**_BARE, "noise": "random:0.1,0.2,when=train"}),
        ("base", "constant(0.8,0.5)", {**_BARE, "noise": "constant:0.8,0.5"}),
        ("base", "constant(1.0,0.0)", {"attention": None, "asr": None}),
        ("base", "image_size=384", {"attention": None, "asr": None, "image_size": 384}),
    ],
)
def test_words_of_the_tables(method: str, setting: str, expected: dict[str, Any]) -> None:
    assert fields_of(Cell("cifar100", "resnet164", method, setting)) == expected


def test_words_that_mean_nothing() -> None:
    with pytest.raises(StripeError, match="no network is called 'best!'"):
        fields_of(Cell("cifar100", "resnet164", "best!", ""))
    with pytest.raises(StripeError, match="no setting is called 'depth=3'"):
        fields_of(Cell("cifar100", "resnet164", "base", "depth=3"))
    with pytest.raises(UnknownNameError, match=r"no 'table12' .*choose one of: table1"):
        exhibit("table12")
    with pytest.raises(UnknownNameError, match="choose one of: paper, small, desk, smoke, test"):
        scale("huge")


def test_psi_as_settings_write_it() -> None:
    assert Psi.parse("0.4") == Psi(value=0.4)
    assert Psi.parse("normal:0.3,fixed") == Psi(value=0.3, kind="normal", learnable=False)
    for text in ("", "x", "uniform:1", "0.1,learn", "nan"):
        with pytest.raises(ModelError, match="psi is a number"):
            Psi.parse(text)


@pytest.mark.parametrize("name", TABLES)
def test_every_cell_of_the_paper_is_a_network(name: str) -> None:
    """At the paper's scale all of them are; each claim compares cells of its table."""
    of_paper = exhibit(name)
    for cell in of_paper.cells:
        config = SCALES["paper"].config(cell, seed=2)
        assert config is not None
        assert config.seed == 2
        assert config.dataset == cell.dataset
        assert config.epochs >= 30
    assert of_paper.contrasts
    for contrast in of_paper.contrasts:
        assert set(contrast.weights) <= set(of_paper.cells)
        assert sum(contrast.weights.values()) == 0


def test_claims_of_the_paper_by_its_own_numbers(tmp_path: Path) -> None:
    """Under constant noise the bare ResNet164 loses 28.9 points and ASR(SE) 6.55."""
    claims = reproduction(exhibit("table8"), SCALES["paper"], store=tmp_path).claims()
    row = claims[claims["contrast"] == "loss of base - loss of ASR(SE), constant(0.8,0.8)"]
    assert row["paper"].item() == pytest.approx(28.90 - 6.55)
    assert (claims["holds"] == "missing").all()
    assert len(claims) == 3 * 9


def test_one_run_whichever_table_asks(tmp_path: Path) -> None:
    of_table = {
        name: reproduction(exhibit(name), SCALES["paper"], store=tmp_path)
        for name in ("table3", "table8", "table6")
    }
    bare = Cell("cifar100", "resnet164", "base", "")
    se = bare.but(method="ASR(SE)")
    clean = "constant(1.0,0.0)"
    directory = {
        name: {cell: [run.config.out for run in runs] for cell, runs in found.runs.items()}
        for name, found in of_table.items()
    }
    assert directory["table3"][bare] == directory["table8"][bare.but(setting=clean)]
    assert directory["table3"][se] == directory["table6"][se.but(setting="delta=1")]
    assert len(set(directory["table3"][bare])) == 3  # seeds
    config = SCALES["smoke"].config(bare, 0)
    assert config is not None
    moved = replace(config, device="cpu", data_root=tmp_path, out=tmp_path / "x")
    assert stored(config, tmp_path).config.out == stored(moved, tmp_path).config.out
    other = replace(config, lr=0.2)
    assert stored(config, tmp_path).config.out != stored(other, tmp_path).config.out


def test_the_interval_is_students() -> None:
    values = [1.0, 2.0, 4.0]
    found = interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
    assert found["holds"] == "undecided"
    assert interval([1.0, 1.1, 1.2])["holds"] == "yes"
    assert interval([-1.0, -1.1, -1.2])["holds"] == "no"
    assert interval([1.0])["holds"] == "one seed"
    assert interval([])["holds"] == "missing"


@pytest.fixture
def small(tmp_path: Path, fashion: Path) -> Reproduction:
    """Return Table 9 with networks that are trained in a second."""
    tiny = replace(
        SCALES["test"],
        data=dict.fromkeys(("cifar10", "cifar100", "stl10"), "fashion_mnist"),
        fields={**(SCALES["test"].fields or {}), "limit": 32, "batch_size": 16},
    )
    return reproduction(exhibit("table9"), tiny, store=tmp_path / "store", data_root=fashion)


def runs_of(found: Reproduction) -> list[StoredRun]:
    return [run for runs in found.runs.values() for run in runs]


@pytest.mark.slow
def test_a_sweep_does_what_is_missing_and_survives_a_failure(small: Reproduction) -> None:
    runs = runs_of(small)
    assert [run.state for run in runs] == ["missing"] * 8
    broken = runs[2]
    assert isinstance(broken.config, TrainConfig)
    impossible = replace(broken.config, psi="oops")
    Local(workers=2).run([*runs[:2], StoredRun(impossible), *runs[3:]], progress=False)
    assert [run.state for run in runs] == [*["finished"] * 2, "failed", *["finished"] * 5]
    assert "psi is a number" in broken.error
    numbers = small.numbers()
    assert numbers["n"].tolist() == [2, 1, 2, 2]
    assert numbers["failed"].tolist() == [0, 1, 0, 0]
    log = runs[0].history
    both = [100 * run.history["test_accuracy"].iloc[-1] for run in runs[:2]]
    assert numbers["last"][0] == pytest.approx(np.mean(both))
    assert numbers["std"][0] == pytest.approx(np.std(both, ddof=1))
    assert (log["epoch"] == [1]).all()
    assert small.claims()["n"].tolist() == [2, 1, 2, 1]

    before = {run.config.out: (run.config.out / "history.csv").stat().st_mtime_ns
              for run in runs if run.state == "finished"}  # fmt: skip
    Local(workers=1).run(runs, progress=False)  # the settings are right now
    assert [run.state for run in runs] == ["finished"] * 8
    for folder, time_of in before.items():
        assert (folder / "history.csv").stat().st_mtime_ns == time_of
    assert small.numbers()["n"].tolist() == [2, 2, 2, 2]


@pytest.mark.slow
def test_the_command_writes_a_report(
    small: Reproduction, tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    command = ("reproduce", "table9", "--scale=test", "--store", tmp_path / "s",
               "--out", tmp_path / "out")  # fmt: skip
    code, said = run(*command, "--report")
    assert code == 0
    assert "missing" in said
    assert "nothing is finished yet, so nothing was written" in said
    assert not list((tmp_path / "out").iterdir())
    code, said = run(*command, "--seeds=1", "--workers=1")
    assert code == 0, said
    assert "scale test: two steps of training" in said
    ends = {path.name for path in (tmp_path / "out").iterdir()}
    assert ends == {
        f"table9{end}"
        for end in (".csv", "-claim.csv", "-runs.csv", ".md", ".tex", ".png", ".json")
    }
    written = pd.read_csv(tmp_path / "out" / "table9.csv")
    assert written["n"].tolist() == [1] * 7
    assert written["paper"].tolist() == [82.38, 74.32, 83.44, 74.46, 85.15, 75.58, 94.65]
    np.testing.assert_allclose(written["difference"], written["best"] - written["paper"])
    data = written["dataset"].map({"stl10": "photo-patches"}).fillna("fashion-mini")
    assert (written["trained"] == "resnet11 on " + data).all()
    assert "| stl10 | resnet164 | no ASR |" in (tmp_path / "out" / "table9.md").read_text()
    assert r"\begin{tabular}" in (tmp_path / "out" / "table9.tex").read_text()
    code, said = run(*command, "--report", "--seeds=2", "--json")
    assert code == 0
    told = json.loads(said)
    assert told["numbers"][0]["n"] == 1
    assert told["numbers"][0]["std"] is None
    assert told["claims"][0]["holds"] == "one seed"
    assert "no verdict means anything" in told["claim"]
    code, said = run("sweep", "status", "table9", "--scale=test", "--store", tmp_path / "s",
                     "--seeds=1", "--json")  # fmt: skip
    assert '"finished":7' in said


@pytest.mark.slow
def test_a_stopped_sweep_goes_on(tmp_path: Path) -> None:
    """Ctrl-C to the group, as a terminal sends it; the second start does the rest."""
    # What a shell starts in the background ignores SIGINT, and so would this process.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from stripe.cli import main; main(sys.argv[1:])"
    command = [
        *(sys.executable, "-c", code, "reproduce", "table9", "--scale=smoke"),
        *(f"--store={tmp_path / 'store'}", f"--out={tmp_path / 'out'}", "--workers=1"),
    ]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    while not list((tmp_path / "store").glob("*/config.json")):
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the same command does the others" in said
    assert "Traceback" not in said
    found = reproduction(exhibit("table9"), SCALES["smoke"], store=tmp_path / "store")
    states = [run.state for run in runs_of(found)]
    assert "missing" in states
    assert "failed" not in states
    first = found.runs[next(iter(found.runs))]
    assert isinstance(first[0].config, TrainConfig)
    Local().run(first, progress=False)
    assert [run.state for run in first] == ["finished"] * 2


def test_plot_of_a_reproduction(small: Reproduction) -> None:
    numbers = small.numbers().assign(last=[80.0, 81.0, np.nan, 82.0], std=[1.0, *[np.nan] * 3])
    ax = stripe.plots.reproduction(numbers)
    marks: Any = ax.collections[0].get_offsets()
    np.testing.assert_allclose(marks[:, 0], [82.38, 83.44, 85.15, 94.65])
    modules = ["ASR with attention module"]  # IE's, and below it SPA's of CIFAR10
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "no ASR",
        "ASR without attention module",
        *modules,
        *modules,
    ]
    assert [text.get_text() for text in ax.texts] == ["missing", "stl10", "cifar10"]
    assert ax.get_xlabel() == "test accuracy (%)\nours: resnet11 on fashion_mnist"


def test_options_of_the_other_engine(run: Callable[..., tuple[int, str]]) -> None:
    for options in (["--engine=ray", "--workers=2"], ["--engine=ray", "--device=cpu"],
                    ["--address=here:1"], ["--gpus-per-run=1"], ["--cpus-per-run=2"]):  # fmt: skip
        code, said = run("reproduce", "table9", "--scale=test", *options)
        assert code == 1
        assert "is not supported by the engine" in said
        assert options[-1].partition("=")[0] in said


def test_what_a_careless_user_types(
    tmp_path: Path, run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("Table 9", "tab9", "TABLE9", "Fig. 11", "figure 11", "fig11"):
        code, said = run("sweep", "status", name, "--scale=test")
        assert code == 0, said
    (tmp_path / "file").touch()
    for option in ("--store", "--out"):
        code, said = run("reproduce", "table9", "--scale=test", option, tmp_path / "file")
        assert code == 1
        assert "cannot be a folder" in said
    code, said = run("reproduce", "table9", "--scale=test", "--device=cuda:7")
    assert code == 1
    assert "was requested, and there are" in said
    code, said = run("reproduce", "table9", "--scale=test", "--engine=ray", "--gpus-per-run=-1")
    assert code == 1
    assert "no fewer than 0 GPUs" in said


def test_a_damaged_training_is_named(small: Reproduction) -> None:
    run = runs_of(small)[0]
    run.config.out.mkdir(parents=True)
    (run.config.out / "model.safetensors").touch()
    (run.config.out / "history.parquet").write_bytes(b"nothing")
    with pytest.raises(StripeError, match=r"history.parquet is damaged: .*; remove its folder"):
        small.numbers()
