"""Reports made again from the numbers that stand beside them, without the runs."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stripe.errors import StripeError
from stripe.reproduce.paper.catalogue import exhibit
from stripe.reproduce.paper.scales import SCALES
from stripe.reproduce.published import PublishedRun
from stripe.reproduce.report import write_reproduction
from stripe.reproduce.reproduction import Reproduction, reproduction
from stripe.reproduce.store.measurement import HARDWARE, MEASURED
from stripe.reproduce.store.runs import StoredRun, address

TEST = SCALES["test"]
#: What a report from published numbers makes again; the JSON stays.
AGAIN = (".csv", "-claim.csv", "-runs.csv", ".md", ".tex")
MADE_ON = {"commit": "0123456789", "hardware": "two cores, no name"}


def finish(found: Reproduction) -> None:
    """Give every run of an exhibit random numbers."""
    drawn = np.random.default_rng(0)
    for runs in found.runs.values():
        for run in runs:
            run.config.out.mkdir(parents=True)
            values = {**run.config.to_json(), "made_on": MADE_ON}
            (run.config.out / "config.json").write_text(json.dumps(values))
            if found.exhibit.kind.columns == ("mean",):
                numbers = {m: drawn.random() for m in found.exhibit.kind.metrics}
                (run.config.out / MEASURED).write_text(json.dumps(numbers))
                (run.config.out / HARDWARE).write_text("two cores, no name\n")
            else:
                epochs = vars(run.config)["epochs"]
                log = {name: drawn.random(epochs) for name in ("test_accuracy", "test_top5")}
                log["seconds"] = np.array([3600.0, *[0.0] * (epochs - 1)])
                pd.DataFrame(log).to_parquet(run.config.out / "history.parquet")
                (run.config.out / "model.safetensors").touch()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table1", "table9", "table6"])
def test_a_report_from_published_numbers_is_the_report(name: str, tmp_path: Path) -> None:
    """To the byte; the JSON of what made the numbers stays, and a new folder has none."""
    store, out = tmp_path / "store", tmp_path / "out"
    found = reproduction(exhibit(name), TEST, store=store)
    finish(found)
    write_reproduction(found, out)
    before = {end: (out / f"{name}{end}").read_bytes() for end in (*AGAIN, ".json")}
    for end in AGAIN:
        if end != "-runs.csv":
            (out / f"{name}{end}").unlink()
    shutil.rmtree(store)
    again = reproduction(exhibit(name), TEST, store=store, published=out)
    write_reproduction(again, out)
    assert {end: (out / f"{name}{end}").read_bytes() for end in before} == before
    assert all(isinstance(run, PublishedRun) for runs in again.runs.values() for run in runs)
    assert json.loads(before[".json"])["made_on"] == [MADE_ON]  # once
    hours = json.loads(before[".json"])["hours"]
    assert hours == (0 if name == "table1" else len(found.needed))


def test_the_store_comes_before_what_is_published(tmp_path: Path) -> None:
    found = reproduction(exhibit("table9"), TEST, store=tmp_path / "store")
    finish(found)
    write_reproduction(found, tmp_path / "out")
    first = next(iter(found.runs.values()))
    row = {"test_accuracy": 0.25, "test_top5": 0.5, "seconds": 1.0}
    log = pd.DataFrame([row] * vars(first[0].config)["epochs"])
    log.to_parquet(first[0].config.out / "history.parquet")
    shutil.rmtree(first[1].config.out)
    again = reproduction(exhibit("table9"), TEST, store=tmp_path / "store",
                         published=tmp_path / "out")  # fmt: skip
    mine, published = next(iter(again.runs.values()))
    assert mine.scores["top1"]["last"] == 25
    assert isinstance(published, PublishedRun)
    assert published.scores == first[1].scores
    assert set(again.numbers()["n"]) == {2}


def test_numbers_of_a_shared_run_may_stand_beside_another_exhibit(tmp_path: Path) -> None:
    """Tables 6 and 14 share their runs; what is published with one is found for the other."""
    store, out = tmp_path / "store", tmp_path / "out"
    found = reproduction(exhibit("table6"), TEST, store=store)
    finish(found)
    write_reproduction(found, out)
    shutil.rmtree(store)
    other = reproduction(exhibit("table14"), TEST, store=store, published=out)
    shared = {run.config.out.name for runs in found.runs.values() for run in runs}
    for runs in other.runs.values():
        for run in runs:
            assert isinstance(run, PublishedRun) == (run.config.out.name in shared)
    assert shared & {run.config.out.name for runs in other.runs.values() for run in runs}


def test_pictures_of_what_runs_left_stay(tmp_path: Path) -> None:
    """A figure of gates is drawn from recordings, which are not published."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "figure22.png").write_bytes(b"a picture")
    planned = reproduction(exhibit("figure22"), TEST, store=tmp_path / "none")
    rows = [
        {"dataset": "cifar100", "backbone": "resnet83", "method": "SE", "seed": seed,
         "setting": "schedule=steps, weight_decay=1e-4", "run": run.config.out.name,
         "metric": "eta2", "mean": 0.5 + seed / 8, "machine": ""}
        for runs in planned.runs.values() for seed, run in enumerate(runs)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(out / "figure22-runs.csv", index=False)
    again = reproduction(exhibit("figure22"), TEST, store=tmp_path / "none", published=out)
    files = write_reproduction(again, out)
    assert (out / "figure22.png").read_bytes() == b"a picture"
    assert not any(file.suffix in (".png", ".json") for file in files)
    (row,) = again.claims().to_dict("records")
    assert (row["mean"], row["n"]) == (pytest.approx(0.0625), 2)


def test_only_what_is_neither_stored_nor_published_is_needed(tmp_path: Path) -> None:
    """A measurement that is published needs no training either."""
    for name in ("table9", "constants"):
        store, out = tmp_path / name, tmp_path / "out"
        found = reproduction(exhibit(name), TEST, store=store)
        finish(found)
        write_reproduction(found, out)
        shutil.rmtree(store)
        rest = pd.read_csv(out / f"{name}-runs.csv", keep_default_na=False, dtype=str)
        lost = rest["run"].iloc[0]
        rest[rest["run"] != lost].to_csv(out / f"{name}-runs.csv", index=False)
        again = reproduction(exhibit(name), TEST, store=store, published=out)
        (run,) = (r for runs in again.runs.values() for r in runs if r.config.out.name == lost)
        chain = [run.config.out.name, *([] if name == "table9" else [_first(again, run)])]
        assert sorted(one.config.out.name for one in again.needed) == sorted(chain)


def _first(found: Reproduction, run: StoredRun) -> str:
    (cell,) = (cell for cell, runs in found.runs.items() if run in runs)
    first, _ = found.exhibit.kind.planned(TEST, cell, run.config.seed)
    return address(first)


def test_numbers_of_other_settings_are_not_taken(tmp_path: Path) -> None:
    """A scale that trains longer has other runs, whatever stands beside its reports."""
    found = reproduction(exhibit("table9"), TEST, store=tmp_path / "store")
    finish(found)
    write_reproduction(found, tmp_path / "out")
    longer = replace(TEST, fields={**(TEST.fields or {}), "epochs": 9})
    again = reproduction(
        exhibit("table9"), longer, store=tmp_path / "s", published=tmp_path / "out"
    )
    assert set(again.numbers()["n"]) == {0}
    assert len(again.needed) == len(found.needed)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "table9-runs.csv").write_text("dataset,backbone\nx,y\n")
    with pytest.raises(StripeError, match=r"table9-runs.csv is damaged: .*; restore it"):
        reproduction(exhibit("table9"), TEST, store=tmp_path, published=tmp_path)


@pytest.mark.slow
def test_the_command_reports_what_is_published(
    tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    found = reproduction(exhibit("table9"), TEST, store=tmp_path / "store")
    finish(found)
    write_reproduction(found, tmp_path / "out")
    code, said = run("reproduce", "all", "--scale=test", "--store", tmp_path / "none",
                     "--out", tmp_path / "out", "--report", "--json")  # fmt: skip
    assert code == 0, said
    numbers = {one["heading"][:7]: one["numbers"] for one in json.loads(said)}
    assert {row["n"] for row in numbers["Table 9"]} == {2}
    assert {row["n"] for row in numbers["Table 5"]} == {0}
