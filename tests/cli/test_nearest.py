"""A misspelt name is answered with the nearest one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import stripe
from stripe.errors import StripeError
from stripe.robustness import NoiseSpec
from stripe.train import recipe

Run = Callable[..., tuple[int, str]]


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["reproduce", "tabel8", "--scale", "test"], "the nearest is table8;"),
        (["reproduce", "table8", "--scale", "tset"], "the nearest is test;"),
        (["train", "--recipe", "cifar100/resnet146", "--out", "x"], "is cifar100/resnet164;"),
        (["record", "--model", "tv:resnet18", "--images", "fashion-min", "--out", "r"],
         "fashion-min is not one; the nearest is fashion-mini; give a"),
        (["gates", "--model", "my_networks"], "give my_networks:FUNCTION"),
        (["gates", "--model", "my_networks:buidl"], "the nearest is build; 'my_networks:buidl'"),
        (["gates", "--model", "my_network:build"],
         "nearest is my_networks; run this in the folder of my_network.py"),
        (["noise", "--model", "tv:resnet18", "--images", "fashion-mini", "--spec", "randon:1,1"],
         "the nearest is random; got 'randon:1,1'"),
    ],
)  # fmt: skip
def test_a_command(
    arguments: list[str], near: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_networks.py").write_text("def build():\n    return None\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    code, said = run(*arguments)
    assert code == 1
    assert near in said.splitlines()[-1]


def test_an_intervention(small_model: torch.nn.Module) -> None:
    with pytest.raises(StripeError, match="the nearest is shuffle; got 'shufle'"):
        stripe.intervene(small_model, "shufle", example=torch.zeros(2, 1, 8, 8))


def test_a_name_that_is_like_no_other_names_none() -> None:
    for wrong in (lambda: recipe("zzz"), lambda: NoiseSpec.parse("zzz:1,1")):
        with pytest.raises(StripeError) as raised:
            wrong()
        assert "nearest" not in str(raised.value)
