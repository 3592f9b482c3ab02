"""Addresses of runs are pinned: no later field may orphan the runs of a store."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

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
