"""Networks of one's own by name, and names that are misspelt."""

from pathlib import Path

import pytest
import torch

import stripe
from stripe.cli import main
from stripe.errors import ModelError, UnknownNameError
from stripe.train import TrainConfig, train
from stripe.train.trained import trained_network

MODULE = """
from torch import nn
def build(num_classes, in_channels=3):
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(4, num_classes))
def plain():
    return nn.Conv2d(1, 1, 1)
def anything(**options):
    return build(options["num_classes"] + 1)
def wrong():
    return "network"
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ownnet.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_function_gets_what_it_takes() -> None:
    model = stripe.build("ownnet:build", num_classes=5, in_channels=1, image_size=8, seed=0)
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 5)
    again = stripe.build("ownnet:build", num_classes=5, in_channels=1, seed=0)
    assert torch.equal(model[0].weight, again[0].weight)  # type: ignore[index]
    assert isinstance(stripe.build("ownnet:plain", num_classes=5), torch.nn.Conv2d)
    wider = stripe.build("ownnet:anything", num_classes=5)
    assert wider(torch.zeros(2, 3, 8, 8)).shape == (2, 6)


def test_attention_goes_where_it_is_asked_for() -> None:
    model = stripe.insert(stripe.build("ownnet:build", num_classes=5), attention="se", sites=["0"])
    assert len(stripe.find_gates(model, torch.zeros(2, 3, 8, 8))) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ownnet:missing", "'ownnet:missing' is none of them: module 'ownnet' has no attribute"),
        ("models/ownnet.py:build", "run this in the folder of models/ownnet.py, with ownnet:build"),
        ("nomodule:build", "no module 'nomodule' in .*; run this in the folder of nomodule.py"),
        ("ownnet:wrong", "ownnet:wrong must return an nn.Module, got str"),
        ("os:getcwd", "a function of your own module, got 'os:getcwd' of Python's library"),
        (":build", "is none of them: Empty module name"),
    ],
)
def test_what_is_no_network_is_refused(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        stripe.build(name)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("rexnet", "the nearest is r"),
        ("timm:seresnet05", "it has: .*seresnet50"),
        ("tv:resent50", "it has: .*resnet50"),
    ],
)
def test_a_misspelt_name_has_a_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=nearest):
        stripe.build(name)


def test_a_function_that_only_a_run_names_must_be_trusted(
    tmp_path: Path,
    fashion: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "theirs"
    train(
        TrainConfig(
            backbone="ownnet:build", dataset="fashion_mnist", epochs=1, batch_size=80,
            device="cpu", data_root=fashion, out=run,
        ),
        progress=False,
    )  # fmt: skip
    message = "the network of .*theirs is the function 'ownnet:build', which would run"
    with pytest.raises(ModelError, match=message):
        trained_network(run)
    for command in (
        ["gates", "--model", str(run)],
        ["train", "--config", str(run / "config.json"), "--out", str(tmp_path / "mine")],
        ["train", "--resume", "--out", str(run)],
    ):
        with pytest.raises(SystemExit, match="1"):
            main(command)
        assert "set STRIPE_TRUST=ownnet:build" in capsys.readouterr().err
    monkeypatch.setenv("STRIPE_TRUST", "other:build,ownnet:build")
    assert isinstance(trained_network(run), torch.nn.Sequential)
