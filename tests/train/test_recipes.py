"""The paper's settings, and configurations that are refused."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from stripe.errors import StripeError, UnknownNameError
from stripe.train import TrainConfig, list_recipes, recipe
from stripe.train.run import open_run, read_config
from stripe.train.schedule import learning_rate

#: optimizer, decays, weight decay, gamma, lr, epochs, batch size: Table 10 and the text above it.
TABLE_10 = {
    "resnet83": ((81, 122), 1e-4, 0.1),
    "resnet164": ((81, 122), 1e-4, 0.1),
    "vgg19": ((60, 120, 160), 5e-4, 0.2),
    "shufflenetv2": ((60, 120, 160), 5e-4, 0.2),
    "mobilenet": ((60, 120, 160), 5e-4, 0.2),
    "repvgg_a0": ((130,), 1e-4, 0.1),
    "repvgg_b3": ((130,), 1e-4, 0.1),
}


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "stl10"])
@pytest.mark.parametrize("network", TABLE_10)
def test_table_10(network: str, dataset: str) -> None:
    decays, weight_decay, gamma = TABLE_10[network]
    found = recipe(f"{dataset}/{network}")
    assert (found.backbone, found.dataset, found.attention) == (network, dataset, None)
    assert found.precision == "fp32"  # as the authors' script
    assert (found.optimizer, found.momentum, found.lr) == ("sgd", 0.9, 0.1)
    assert (found.weight_decay, found.gamma, found.epochs) == (weight_decay, gamma, 164)
    assert found.batch_size == (16 if dataset == "stl10" else 128)
    rate, expected = 0.1, []
    for epoch in range(164):
        rate *= gamma if epoch in decays else 1
        expected.append(rate)
    rates = [learning_rate(found, (epoch * 391) / (164 * 391)) for epoch in range(164)]
    assert rates == pytest.approx(expected)


#: optimizer, weight decay, lr, epochs, batch size, image size: Table 11.
TABLE_11: dict[str, tuple[str, float, float, int, int, int]] = {
    "resnet34": ("sgd", 1e-4, 0.1, 100, 128, 224),
    "resnet50": ("sgd", 1e-4, 0.1, 100, 128, 224),
    "resnet101": ("sgd", 1e-4, 0.1, 100, 128, 224),
    "vit_s_16": ("adamw", 5e-2, 5e-4, 300, 256, 224),
    "vit_b_16": ("adamw", 5e-2, 5e-4, 300, 256, 224),
    "vit_b_16_384": ("adamw", 1e-8, 5e-6, 30, 64, 384),
}


@pytest.mark.parametrize("name", TABLE_11)
def test_table_11(name: str) -> None:
    found = recipe(f"imagenet/{name}")
    said = (found.optimizer, found.weight_decay, found.lr, found.epochs, found.batch_size)
    assert (*said, found.image_size) == TABLE_11[name]
    assert found.precision == "fp32"
    if name.startswith("resnet"):
        assert found.decay_at == (0.3, 0.6, 0.9)
    else:
        assert found.schedule == "cosine"


#: ResNet-ACNet and what Table 5 compares it with, "the settings of ResNet in the official code".
ACNET = [f"resnet{depth}_{kind}" for depth in (56, 110, 164) for kind in ("acnet", "basic")]


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "stl10"])
@pytest.mark.parametrize("network", ACNET)
def test_table_10_of_acnet(network: str, dataset: str) -> None:
    """Its gamma of 0.333 is the initial weight of norms and no factor of the learning rate."""
    found = recipe(f"{dataset}/{network}")
    assert (found.backbone, found.dataset, found.precision) == (network, dataset, "fp32")
    assert (found.schedule, found.lr, found.weight_decay) == ("cosine", 0.1, 1e-4)
    assert found.gamma != 0.333


def test_the_tables_are_complete() -> None:
    ten = {f"{data}/{name}" for data in ("cifar10", "cifar100", "stl10") for name in TABLE_10}
    acnet = {f"{data}/{name}" for data in ("cifar10", "cifar100", "stl10") for name in ACNET}
    assert set(list_recipes()) == ten | acnet | {f"imagenet/{name}" for name in TABLE_11}


def test_overrides_are_checked() -> None:
    changed = recipe("cifar100/resnet164", asr="se", epochs=10)
    assert (changed.asr, changed.epochs, changed.decay_at) == ("se", 10, (81 / 164, 122 / 164))
    with pytest.raises(UnknownNameError, match=r"'cifar100/lenet'; .*choose one of"):
        recipe("cifar100/lenet")
    with pytest.raises(StripeError, match="got learning_rate"):
        recipe("cifar100/resnet164", learning_rate=0.2)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", "ten", "epochs must be int, got 'ten'"),
        ("epochs", 1.5, "epochs must be int, got 1.5"),
        ("lr", "fast", "lr must be float, got 'fast'"),
        ("attention", 3, "attention must be"),
        ("decay_at", (0.5, "late"), "decay_at must be"),
        ("record", "yes", "record must be bool"),
        ("noise", "loud", "a noise is one of"),
        ("label_smoothing", 1.5, "label_smoothing must be at most 1, got 1.5"),
        ("lr", float("nan"), "lr must be finite, got nan"),
        ("epochs", True, "epochs must be a number, got True"),
        ("momentum", 2.0, "momentum must be at most 1, got 2.0"),
        ("decay_at", (2.0,), "decay_at holds shares of the run"),
        ("optimizer", "lion", "optimizer is one of sgd, adamw, got 'lion'"),
        ("accumulate", 999, "accumulate must be at most batch_size, 128, got 999"),
    ],
)
@pytest.mark.usefixtures("as_a_user")
def test_wrong_types_and_values_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(StripeError, match=message) as caught:
        TrainConfig(**{field: value})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("as_a_user")
def test_whole_numbers_are_numbers() -> None:
    assert TrainConfig(lr=1, decay_at=(0, 1)).lr == 1
    assert TrainConfig(out="runs/a").out == Path("runs/a")  # type: ignore[arg-type]


def test_a_saved_configuration_is_the_same_again(tmp_path: Path) -> None:
    config = recipe("stl10/vgg19", asr="srm", noise="random:0.3,0.3,per=layer", out=tmp_path / "r")
    open_run(config, resume=False)
    file = config.out / "config.json"
    assert asdict(read_config(file, TrainConfig)) == asdict(config)
    values: dict[str, Any] = json.loads(file.read_text())
    file = tmp_path / "edited.json"  # elsewhere, since a run's own file is checked
    file.write_text(json.dumps({**values, "momentun": 0.5}))
    with pytest.raises(StripeError, match="got momentun as well"):
        read_config(file, TrainConfig)
    file.write_text("[1]")
    with pytest.raises(StripeError, match="must hold a JSON object"):
        read_config(file, TrainConfig)
    file.write_text("{")
    with pytest.raises(StripeError, match="missing or damaged"):
        read_config(file, TrainConfig)
