"""The paper's protocol: what its words leave open, and how it is read here."""

import json
from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stripe.errors import StripeError
from stripe.reproduce.engines import Local
from stripe.reproduce.kinds.constants import ConstantGates
from stripe.reproduce.kinds.tradeoff import TimedTraining
from stripe.reproduce.paper.catalogue import exhibit, list_exhibits
from stripe.reproduce.paper.cells import Cell, fields_of, module_of_table_9
from stripe.reproduce.paper.exhibits import Contrast
from stripe.reproduce.paper.noise_reading import NoiseReading
from stripe.reproduce.paper.results import CONSTANTS_LOSS, paper_results
from stripe.reproduce.paper.scales import SCALES
from stripe.reproduce.report import legend, write_reproduction
from stripe.reproduce.reproduction import Reproduction, reproduction
from stripe.reproduce.store.measurement import MEASURED
from stripe.robustness.noise_spec import NoiseSpec
from stripe.train import TrainConfig

PAPER = SCALES["paper"]


def noises(found: Reproduction) -> dict[str, NoiseSpec]:
    """Return the noise of each setting of a reproduced Table 8."""
    configs = {cell.setting: runs[0].config for cell, runs in found.runs.items()}
    return {
        setting: NoiseSpec.parse(config.noise)
        for setting, config in configs.items()
        if isinstance(config, TrainConfig) and config.noise is not None
    }


def table_8(store: Path, reading: NoiseReading | None = None) -> Reproduction:
    named = {} if reading is None else {"reading": reading}
    return reproduction(exhibit("table8", **named), PAPER, store=store)


def test_random_noise_is_there_in_training_and_constant_noise_in_evaluation_too(
    tmp_path: Path,
) -> None:
    found = table_8(tmp_path)
    during = {setting.partition("(")[0]: spec.when for setting, spec in noises(found).items()}
    assert during == {"random": "train", "constant": "both"}
    assert len(noises(found)) == 9
    assert found.exhibit.name == "table8"
    assert (
        "(random noise in training, constant noise in training and evaluation; sigma is the "
        "standard deviation)"
    ) in found.heading


@pytest.mark.slow
@pytest.mark.parametrize("when", ["train", "eval", "both"])
def test_another_reading_is_another_table(when: str, tmp_path: Path) -> None:
    """The noise of every cell is there when the reading says so, under a name of its own."""
    found = table_8(tmp_path, NoiseReading(when=when))  # type: ignore[arg-type]
    assert {spec.when for spec in noises(found).values()} == {when}
    assert found.exhibit.name == f"table8-when-{when}"
    assert found.exhibit.label == "Table 8"
    assert found.heading != table_8(tmp_path).heading


def test_sigma_as_a_variance(tmp_path: Path) -> None:
    found = table_8(tmp_path, NoiseReading(sigma="variance"))
    spec = noises(found)["random(0.1,0.2)"]
    assert (spec.a, spec.b) == pytest.approx((sqrt(0.1), sqrt(0.2)))
    assert noises(found)["constant(0.8,0.5)"] == NoiseSpec(kind="constant", a=0.8, b=0.5)
    assert found.exhibit.name == "table8-sigma-variance"
    assert "sigma is the variance" in found.heading


def test_readings_share_the_runs_that_are_the_same(tmp_path: Path) -> None:
    def directories(found: Reproduction) -> dict[str, Path]:
        return {cell.setting: runs[0].config.out for cell, runs in found.runs.items()}

    usual, both = directories(table_8(tmp_path)), directories(
        table_8(tmp_path, NoiseReading(when="both"))
    )  # fmt: skip
    same = {setting for setting in usual if usual[setting] == both[setting]}
    assert same == {setting for setting in usual if setting.startswith("constant")}


def test_the_command_names_the_reading(tmp_path: Path, run: Callable[..., tuple[int, str]]) -> None:
    options = ("--scale=test", "--store", tmp_path / "s", "--out", tmp_path / "out", "--report")
    code, said = run("reproduce", "table8", *options, "--noise-when=both", "--json")
    assert code == 0, said
    assert "(noise in training and evaluation; " in json.loads(said)["heading"]
    code, said = run("sweep", "status", "table8", "--scale=test", "--noise-sigma=variance")
    assert code == 0, said
    assert "table8-sigma-variance" in said
    for name in ("table3", "figure11", "all"):
        code, said = run("reproduce", name, *options, "--noise-when=both")
        assert code == 1
        assert "only the noise of table8" in said


@pytest.mark.slow
def test_every_output_of_a_reading_has_its_name(tmp_path: Path) -> None:
    found = table_8(tmp_path, NoiseReading(when="train", sigma="variance"))
    config = next(iter(found.runs.values()))[0].config
    assert isinstance(config, TrainConfig)
    log = pd.DataFrame({"epoch": range(1, config.epochs + 1), "test_accuracy": 0.7, "seconds": 1.0})
    finish(config.out, log.assign(test_top5=0.9))
    files = write_reproduction(found, tmp_path / "out")
    assert len(files) == 7
    for file in files:
        assert file.name.startswith("table8-when-train-sigma-variance")
    assert found.heading in files[2].read_text()
    caption = found.heading.replace("_", r"\_").replace("%", r"\%")
    assert f"\\caption{{{caption}}}" in files[3].read_text()
    assert json.loads(files[-1].read_text())["heading"] == found.heading


def finish(folder: Path, log: pd.DataFrame) -> None:
    folder.mkdir(parents=True)
    log.to_parquet(folder / "history.parquet")
    (folder / "model.safetensors").touch()


def test_the_module_of_table_9_is_that_of_the_same_number_in_table_3() -> None:
    """94.65 on CIFAR10 is SPA's; IE has 94.39 there."""
    cell = Cell("cifar10", "resnet164", "ASR with attention module", "")
    modules = {data: module_of_table_9(cell.but(dataset=data)) for data in _DATA}
    assert modules == {"cifar10": "SPA", "cifar100": "IE", "stl10": "IE"}
    assert fields_of(cell)["asr"] == "spa"
    rows = paper_results()
    assert rows[(rows["table"] == 9) & (rows["dataset"] == "cifar10")]["value"].max() == 94.65
    assert "IE on stl10, IE on cifar100, SPA on cifar10" in exhibit("table9").remark
    with pytest.raises(StripeError, match="Table 3 must have the number of"):
        module_of_table_9(cell.but(backbone="vgg19"))


_DATA = ("cifar10", "cifar100", "stl10")


@pytest.mark.slow
def test_the_best_epoch_is_compared_with_the_paper_and_the_last_decides(tmp_path: Path) -> None:
    found = reproduction(exhibit("table3"), PAPER, store=tmp_path)
    bare = Cell("cifar100", "resnet164", "base", "")
    better = bare.but(method="ASR(SE)")
    for cell, accuracies in ((bare, [0.5, 0.7, 0.6]), (better, [0.8, 0.9, 0.65])):
        for seed, run in enumerate(found.runs[cell]):
            assert isinstance(run.config, TrainConfig)
            first = [accuracies[0]] * (run.config.epochs - len(accuracies))
            log = pd.DataFrame({"test_accuracy": np.array(first + accuracies) + 0.01 * seed})
            finish(run.config.out, log.assign(test_top5=0.9))
    numbers = found.numbers().query("dataset == 'cifar100' and backbone == 'resnet164'")
    row = numbers.set_index("method").loc["base"]
    assert row["last"] == pytest.approx(61.0)
    assert row["best"] == pytest.approx(71.0)
    assert row["difference"] == pytest.approx(71.0 - 74.32)
    assert row["best_std"] == pytest.approx(1.0)
    claims = found.claims().set_index("contrast")
    claim = claims.loc["cifar100 resnet164 ASR(SE) - base"]
    assert claim["mean"] == pytest.approx(5.0)  # of the last epochs; the best are 20 apart
    assert "best minus the paper's number" in legend(found)
    assert "verdicts are on the last epoch" in legend(found)
    ax = found.exhibit.kind.draw(found)
    assert ax is not None
    assert ax.get_xlabel().startswith("test accuracy of the best epoch (%)")


def test_figure_3_compares_the_best_epoch_too(tmp_path: Path) -> None:
    found = reproduction(exhibit("figure3"), PAPER, store=tmp_path)
    cell = Cell("cifar100", "resnet164", "base", "")
    measured = found.runs[cell][0].config
    assert isinstance(measured, TimedTraining)
    measured.out.mkdir(parents=True)
    numbers = {"top1": 73.0, "best": 74.0, "params_millions": 1.7, "fps": 9.0, "speed": 1.0}
    (measured.out / MEASURED).write_text(json.dumps(numbers))
    rows = found.numbers().query("method == 'base'").set_index("metric")
    assert rows.loc["best", "difference"] == pytest.approx(74.0 - 74.32)
    assert rows["difference"].isna()["top1"]


def test_each_data_set_of_the_paper_has_a_stand_in_of_its_own(tmp_path: Path) -> None:
    """With one for all, Figure 14 was Figure 11."""
    stand_ins = {"cifar100": "fashion-mini", "stl10": "fashion_mnist"}
    scale = replace(SCALES["test"], data=stand_ins)

    def needed(name: str) -> set[Path]:
        found = reproduction(exhibit(name), scale, store=tmp_path)
        return {run.config.out for run in found.needed}

    assert needed("figure11")
    assert needed("figure14")
    assert not needed("figure11") & needed("figure14")
    found = reproduction(exhibit("table3"), scale, store=tmp_path)
    assert set(found.stand_ins.values()) == {
        f"resnet11 on {dataset}" for dataset in stand_ins.values()
    }
    cifar10 = [cell for cell in found.exhibit.cells if cell.dataset == "cifar10"]
    assert cifar10
    assert not any(cell in found.first for cell in cifar10)


def test_cells_that_are_the_same_run_take_part_in_contrasts(tmp_path: Path) -> None:
    """CIFAR10's bare network is CIFAR100's at this scale; its SPA is a network of its own."""
    found = reproduction(exhibit("table9"), SCALES["test"], store=tmp_path)
    contrasts = found.claims()["contrast"].tolist()
    assert "cifar10 resnet164 ASR with attention module - no ASR" in contrasts
    assert len(contrasts) == len(set(contrasts)) == 6


def test_a_contrast_of_a_run_with_itself_is_none(tmp_path: Path) -> None:
    of_paper = exhibit("table9")
    bare = Cell("cifar100", "resnet164", "no ASR", "")
    one = Contrast("one network", {bare: 1.0, bare.but(dataset="cifar10"): -1.0})
    same = replace(of_paper, contrasts=(one,))
    assert reproduction(same, SCALES["test"], store=tmp_path).claims().empty
    assert len(reproduction(same, PAPER, store=tmp_path).claims()) == 1


@pytest.mark.slow
def test_constants_at_inference_over_the_networks_of_table_3(tmp_path: Path) -> None:
    assert "constants" in list_exhibits()
    for name, scale in SCALES.items():
        found = reproduction(exhibit("constants"), scale, store=tmp_path / name)
        assert found.runs
        for runs in found.runs.values():
            assert all(isinstance(run.config, ConstantGates) for run in runs)
    assert len(reproduction(exhibit("constants"), PAPER, store=tmp_path).runs) == 4 * 3 * 4
    config = PAPER.config(Cell("stl10", "vgg19", "SPA", ""), 0)
    assert config is not None
    assert (config.attention, config.asr) == ("spa", None)


def test_the_average_loss_of_constants_stands_beside_the_papers(tmp_path: Path) -> None:
    """Over the networks that a scale has; the paper's numbers are averages too."""
    found = reproduction(exhibit("constants"), SCALES["test"], store=tmp_path)
    for number, runs in enumerate(found.runs.values()):
        for run in runs:
            run.config.out.mkdir(parents=True)
            losses = {"loss": 10.0 + number, "loss_fine_tuned": 4.0 + run.config.seed}
            (run.config.out / MEASURED).write_text(json.dumps(losses))
    claims = found.claims().set_index("contrast")
    mean = claims.loc["mean loss over networks"]
    assert (mean["paper"], mean["n"]) == (CONSTANTS_LOSS["constants"], 2) == (28.0, 2)
    # STL10 and CIFAR by turns; CIFAR's run counts for CIFAR10 and for CIFAR100.
    assert mean["mean"] == pytest.approx(np.average(range(10, 18), weights=[1, 2] * 4))
    tuned = claims.loc["mean loss_fine_tuned over networks"]
    assert (tuned["paper"], tuned["mean"]) == (15.0, pytest.approx(4.5))
    assert len(write_reproduction(found, tmp_path / "out")) == 7


@pytest.mark.parametrize("scale", list(SCALES))
def test_all_runs_of_a_table_have_one_precision(scale: str, tmp_path: Path) -> None:
    """A precision that the device decides would mix two in one table."""
    for name in ("table3", "figure11"):
        found = reproduction(exhibit(name), SCALES[scale], store=tmp_path)
        trainings = [run.config for run in found.needed if isinstance(run.config, TrainConfig)]
        assert len({config.precision for config in trainings}) == 1
        assert trainings[0].precision != "auto"
        if name == "figure11" or scale != "desk":  # which says why in docs/desk.md
            assert {config.precision for config in trainings} == {"fp32"}


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["vgg19", "mobilenet"])
def test_constants_of_a_network_whose_norms_have_attention(backbone: str, tmp_path: Path) -> None:
    """A training and its measurement, as `stripe reproduce constants` runs them."""
    small = {"epochs": 1, "batch_size": 8, "limit": 16, "schedule": "cosine"}
    scale = replace(SCALES["test"], networks={backbone: backbone}, fields=small)
    cell = Cell("cifar100", backbone, "SRM", "")
    of_one = replace(exhibit("constants"), cells=(cell,))
    found = reproduction(of_one, scale, store=tmp_path, seeds=[0])
    Local(workers=1, device="cpu").run(found.needed, progress=False)
    numbers = found.numbers().set_index("metric")
    assert (numbers["n"] == 1).all()
    mean = numbers["mean"]
    assert mean["loss"] == pytest.approx(mean["attention"] - mean["constants"])


@pytest.mark.parametrize("name", ["small", "smoke", "test"])
def test_stl10_is_another_data_set_than_cifar(name: str) -> None:
    figure11, figure14 = (
        {SCALES[name].recorded(cell, 0) for cell in exhibit(figure).cells}
        for figure in ("figure11", "figure14")
    )
    assert None not in figure11 | figure14
    assert not figure11 & figure14
