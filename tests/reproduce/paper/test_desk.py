"""The scale desk: what docs/desk.md says it is, and the rules by which it differs by cell."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stripe.reproduce.paper.catalogue import exhibit, list_exhibits
from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.paper.desk import DESK
from stripe.reproduce.paper.scale_rules import Rule
from stripe.reproduce.paper.scales import SCALES
from stripe.reproduce.reproduction import Reproduction, reproduction
from stripe.train import TrainConfig

BARE = Cell("cifar100", "resnet164", "base", "")


def at(name: str, store: Path) -> Reproduction:
    return reproduction(exhibit(name), DESK, store=store)


def trained(cell: Cell) -> TrainConfig:
    config = DESK.config(cell, 0)
    assert config is not None
    return config


def test_a_rule_is_for_the_cells_whose_words_match_whole() -> None:
    rule = Rule(backbone="resnet20|vgg", setting="delta=.*", seeds=2)
    assert rule.matches(Cell("any", "vgg", "any", "delta=3"))
    assert not rule.matches(Cell("any", "vgg19", "any", "delta=3"))
    assert not rule.matches(Cell("any", "vgg", "any", ""))


def test_later_rules_replace_earlier_ones() -> None:
    scale = replace(
        SCALES["test"],
        rules=(
            Rule(fields={"epochs": 5, "lr": 0.3}, seeds=7),
            Rule(method="base", fields={"epochs": 6}, seeds=4),
            Rule(method="SRM", left_out=True),
        ),
    )
    config = scale.config(BARE, 0)
    assert config is not None
    assert (config.epochs, config.lr) == (6, 0.3)
    assert scale.seeds_of(BARE, compared=True) == range(4)
    assert scale.seeds_of(BARE.but(method="SE"), compared=True) == range(7)
    assert scale.config(BARE.but(method="SRM"), 0) is None
    assert SCALES["test"].seeds_of(BARE, compared=False) == range(SCALES["test"].seeds)


@pytest.mark.slow
@pytest.mark.parametrize("name", list_exhibits())
def test_every_exhibit_has_cells_and_a_claim_that_can_be_tested(name: str, tmp_path: Path) -> None:
    found = at(name, tmp_path)
    assert found.runs
    assert len(found.claims())
    # A verdict on a difference of accuracies has five seeds, but for the slow networks.
    least = 3 if name in ("table3", "table5", "constants", "deep-noise") else 5
    for runs in found.runs.values():
        assert len(runs) >= (least if name.startswith("table") and name != "table1" else 3)


def test_table_8_is_whole(tmp_path: Path) -> None:
    found = at("table8", tmp_path)
    assert len(found.runs) == 40
    assert set(found.stand_ins.values()) == {"resnet20 on fashion-mini"}
    assert {len(runs) for runs in found.runs.values()} == {5}


@pytest.mark.parametrize(
    ("cell", "epochs", "limit", "dataset"),
    [
        (BARE, 8, None, "fashion-mini"),
        (BARE.but(dataset="stl10"), 8, None, "photo-patches"),
        (BARE.but(setting="random(0.3,0.3)"), 3, 5000, "fashion-mini"),
        (BARE.but(method="SE+ASR(SE)", setting="with ASR", dataset="stl10"), 3, 5000,
         "photo-patches"),
        (BARE.but(backbone="mobilenet"), 3, None, "fashion-mini"),
        (BARE.but(backbone="resnet110_acnet", method="ACNet"), 8, None, "fashion-mini"),
    ],
)  # fmt: skip
def test_lengths(cell: Cell, epochs: int, limit: int | None, dataset: str) -> None:
    config = trained(cell)
    assert (config.epochs, config.limit, config.dataset) == (epochs, limit, dataset)
    assert config.precision == "bf16"


def test_gates_are_recorded_in_the_papers_own_networks() -> None:
    for backbone, epochs in (("resnet83", 6), ("resnet164", 4)):
        cell = Cell("cifar100", backbone, "SE", "schedule=steps, weight_decay=1e-4")
        config = DESK.recorded(cell, 0)
        assert config is not None
        assert (config.backbone, config.epochs, config.record) == (backbone, epochs, True)
        assert config.precision == "fp32"  # bfloat16 would round close gates to one value
        assert trained(cell).backbone == "resnet20"


def test_constant_noise_on_the_deep_network(tmp_path: Path) -> None:
    """At the paper's scale the runs are those of Table 8; at desk they are of ResNet164 itself."""
    found = at("deep-noise", tmp_path)
    assert set(found.stand_ins.values()) == {"resnet164 on fashion-mini"}
    (claim,) = found.claims().to_dict("records")
    assert claim["paper"] == pytest.approx((74.32 - 35.77) - (75.36 - 72.18))
    of_paper = {
        name: {run.config.out for run in reproduction(
            exhibit(name), SCALES["paper"], store=tmp_path).needed}
        for name in ("deep-noise", "table8")
    }  # fmt: skip
    assert of_paper["deep-noise"] < of_paper["table8"]


@pytest.mark.parametrize(
    "cell",
    [
        BARE.but(backbone="vgg19"),
        BARE.but(backbone="mobilenet", dataset="stl10"),
        BARE.but(backbone="shufflenetv2", method="SE"),
        BARE.but(backbone="repvgg_b3"),
        BARE.but(dataset="stl10", method="SPA"),
        BARE.but(dataset="imagenet", backbone="vit_b", setting="image_size=224"),
    ],
)
def test_what_is_left_out(cell: Cell) -> None:
    assert DESK.config(cell, 0) is None


def test_a_report_says_how_many_cells_are_left_out(tmp_path: Path) -> None:
    assert at("table3", tmp_path).notes == (
        "20 of the paper's 60 cells: 25 have no stand-in at this scale, 15 are the same run as "
        "another."
    )


def test_the_command_knows_the_scale(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    options = ("--scale=desk", "--store", tmp_path / "s")
    code, said = run("sweep", "status", "table8", *options, "--json")
    assert code == 0
    assert '"missing":200' in said
