"""The network that a command names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stripe.cli.options.load_network import load_network
from stripe.errors import ModelError

Run = Callable[..., tuple[int, str]]
FILE = """
from torch import nn

def drawn():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten())
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_of_test_load.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_function_draws_its_weights_from_the_seed() -> None:
    before = torch.get_rng_state()
    first, second, other = (
        load_network("own_of_test_load:drawn", seed=seed).get_parameter("0.weight")
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "option", [{"pretrained": True}, {"attention": "se"}, {"num_classes": 3}], ids=str
)
def test_options_that_a_function_does_not_take(option: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="is for names of networks; 'own_of_test_load:drawn' is"):
        load_network("own_of_test_load:drawn", **option)


@pytest.mark.parametrize(
    ("model", "option", "message"),
    [
        ("timm:resnet18", {"attention": "se"}, "--attention is for names of stripe.build"),
        ("tv:resnet18", {"num_classes": 10}, "have 1000 classes, got --num-classes 10"),
    ],
)
def test_options_that_published_weights_do_not_take(
    model: str, option: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load_network(model, pretrained=True, **option)


def test_weights_in_the_place_of_a_network(tmp_path: Path, run: Run) -> None:
    torch.save({}, tmp_path / "a.pt")
    code, said = run("gates", "--model", "a.pt")
    assert code == 1
    assert said == (
        "error: --model names a network, and a.pt is a file; for a file of weights, give --model "
        "module:function --weights a.pt\n"
    )
