"""Addresses of runs are pinned: no later field may orphan the runs of a store."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import ClassVar

import pytest

from stripe.asr import Psi
from stripe.reproduce.paper.catalogue import exhibit
from stripe.reproduce.paper.desk import DESK
from stripe.reproduce.store.measurement import Measurement
from stripe.reproduce.store.runs import address
from stripe.settings import Settings
from stripe.style.config import StyleConfig
from stripe.train import TrainConfig

#: Made before there was a field `nesterov`, when every run had Nesterov's momentum.
OLD = TrainConfig(nesterov=True, precision="bf16")
NEW = TrainConfig(psi="normal:0.3,fixed", schedule="cosine")
CIFAR = replace(OLD, dataset="cifar100", epochs=164, warmup=0.0, decay_at=(81 / 164, 122 / 164))
PINNED: list[tuple[str, Settings]] = [
    ("resnet20-d3d4fa0b03cab228", OLD),
    ("resnet20-7cd55d1111dc660e", replace(OLD, asr="se", noise="random:0.3,0.3", seed=4)),
    ("resnet164-5df157b6888f3639", replace(CIFAR, backbone="resnet164")),
    ("resnet164-dc500bbd7a217bf8", replace(CIFAR, backbone="resnet164", asr="se", copies=2)),
    (
        "styleconfig-bc7897d3bc3d59c8",
        StyleConfig(variant="bn+asr", seed=3, steps=10, precision="bf16"),
    ),
    ("resnet20-36029a4570bb716a", NEW),
    ("resnet20-9ed2be223e99a562", replace(NEW, asr="se", noise="random:0.3,0.3,when=train")),
    ("resnet164-cb4fa025813fbde1", replace(CIFAR, backbone="resnet164", nesterov=False)),
    ("resnet83-e035352795e6e34a", replace(NEW, backbone="resnet83", attention="ie")),
    ("vgg19-3179aa0f3d442aa1", replace(NEW, backbone="vgg19", asr="spa", limit=100)),
]


@pytest.mark.parametrize(("pinned", "config"), PINNED, ids=[name for name, _ in PINNED])
def test_the_address_of_a_run_stays(pinned: str, config: Settings) -> None:
    assert address(config) == pinned


def test_psi_as_a_number_or_an_object_is_its_text() -> None:
    given: Psi | float
    for given, text in (
        (0.3, "0.3"),
        (Psi(value=0.3), "0.3"),
        (Psi(value=0.3, kind="normal", learnable=False), "normal:0.3,fixed"),
    ):
        config = replace(NEW, psi=given)
        assert config.psi == text
        assert address(config) == address(replace(NEW, psi=text))
        assert TrainConfig.from_json(config.to_json()) == config
        assert Psi.parse(text) == (given if isinstance(given, Psi) else Psi(value=given))


#: Of the scale desk, whose runs took a night: exhibit, words of a cell, seed, and what it needs.
OF_DESK = [
    ("table3", "stl10 resnet164 base", 0, ["resnet20-75dbf4caa0386a6c"]),
    ("table3", "stl10 resnet164 ASR(IE)", 4, ["resnet20-99166ccb3c6f68d5"]),
    ("table4", "stl10 resnet83 SE+ASR(SE) with ASR", 2, ["resnet20-6769dba50aa7514a"]),
    ("table8", "cifar100 resnet164 ASR(SE) constant(0.5,0.5)", 1, ["resnet20-056d2670774b79ae"]),
    ("table13", "cifar100 resnet83 ASR(SE) psi_init=0.5", 3, ["resnet20-3e5ebef00f7d21ba"]),
    ("table1", "cifar100 resnet164 IE", 0, ["resnet164-642e036f4e87f861"]),
    (
        "figure11",
        "cifar100 resnet83 SE schedule=steps, weight_decay=1e-4",
        0,
        ["resnet83-33707c5877cf8e3b", "gatenumbers-1ef8ee9b88657b30"],
    ),
    (
        "figure12",
        "cifar100 resnet164 SE schedule=steps, weight_decay=1e-4",
        2,
        ["resnet164-9442c967d0d67573", "gatenumbers-cca12d37b4214e71"],
    ),
    (
        "figure5",
        "photographs style BN+ASR",
        1,
        [
            "styleconfig-00a0bb18f199a9dd",
            "styleconfig-1dad53cca4c78b5a",
            "stylised-0d49059ccc737b66",
        ],
    ),
    ("deep-noise", "cifar100 resnet164 ASR(SE) constant(1.0,0.0)", 0,
     ["resnet164-198282d6ded9b697"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "label", "seed", "pinned"), OF_DESK)
def test_the_addresses_of_desk_stay(name: str, label: str, seed: int, pinned: list[str]) -> None:
    wanted = exhibit(name)
    (cell,) = (cell for cell in wanted.cells if cell.label == label)
    assert [address(one) for one in wanted.kind.planned(DESK, cell, seed)] == pinned


def test_a_later_field_leaves_the_addresses_of_runs_that_were_made_before_it() -> None:
    """Whatever its default; a run with another value has an address of its own."""

    @dataclass(frozen=True, kw_only=True)
    class Then(Measurement):
        images: int = 500

    @dataclass(frozen=True, kw_only=True)
    class Now(Then):
        BEFORE: ClassVar = {"smoothed": False}

        smoothed: bool = True

    def digest(settings: Settings) -> str:
        return address(settings).partition("-")[2]

    assert digest(Now(smoothed=False)) == digest(Then())
    assert digest(Now()) != digest(Then())
    assert digest(Now(images=7, smoothed=False)) == digest(Then(images=7)) != digest(Then())


def test_an_address_depends_on_what_changes_a_result() -> None:
    assert address(TrainConfig()) != address(TrainConfig(nesterov=True))
    elsewhere = TrainConfig(out=Path("x"), device="cpu", data_root=Path("y"), workers=7)
    assert address(elsewhere) == address(TrainConfig())


def test_a_run_without_a_later_field_is_read_as_it_was_made() -> None:
    written = {**TrainConfig().to_json(), "versions": {}}
    assert TrainConfig.BEFORE
    for name in TrainConfig.BEFORE:
        del written[name]
    assert TrainConfig.from_json(written) == replace(TrainConfig(), **TrainConfig.BEFORE)
    del written["versions"]  # a file that a person wrote: what is not said is the default
    assert TrainConfig.from_json(written) == TrainConfig()


def test_a_field_from_before_is_a_field() -> None:
    assert set(TrainConfig.BEFORE) <= {field.name for field in fields(TrainConfig)}
