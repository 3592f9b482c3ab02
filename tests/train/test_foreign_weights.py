"""Files of weights, configurations and recipes that anybody may have made: one line each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from resources import peak_mib, write_zip_bomb
from safetensors.torch import save_file
from torch import Tensor, nn

import stripe
from stripe.cli.options.load_network import load_network, write_frozen
from stripe.errors import ModelError, StripeError
from stripe.train import TrainConfig
from stripe.train.initial import start_from
from stripe.train.run import CONFIG, read_config, read_data_shape
from stripe.train.weights import load_weights, read_weights

#: An entry of a recipe.
GATE = {"gate": "g", "channels": 4, "folded": True}


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def changed(change: Callable[[Tensor], Any]) -> dict[str, Any]:
    state = network().state_dict()
    state["0.weight"] = change(state["0.weight"])
    return dict(state)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            changed(lambda w: w.to(torch.complex64)),
            "must hold 0.weight in torch.float32, holds tor",
        ),
        (changed(lambda w: w.to(torch.int8)), "must hold 0.weight in torch.float32, holds torch.i"),
        (changed(lambda w: w * float("nan")), "holds NaN in 0.weight"),
        (changed(lambda w: w[:, :1]), "0.weight must have the shape"),
        (changed(lambda w: w[:1, :1].expand(2**20, 2**20)), "0.weight must have the shape"),
        (changed(lambda _: 3), "must hold a state_dict of tensors, and '0.weight' is int"),
        ({0: torch.ones(2), 1: torch.ones(3)}, "another network: "),
        ([torch.ones(2)], "must hold a state_dict, got list"),
    ],
    ids=["complex", "int8", "NaN", "shape", "expanded", "number", "integer keys", "list"],
)
def test_weights_that_do_not_fit(tmp_path: Path, state: Any, message: str) -> None:
    file, model = tmp_path / "weights.pth", network()
    before = model.state_dict()["0.weight"].clone()
    torch.save(state, file)
    with pytest.raises(ModelError, match=message) as raised:
        start_from(file, model, 2)
    assert "\n" not in str(raised.value)
    assert torch.equal(model.state_dict()["0.weight"], before)


def test_a_run_of_weights_in_whole_numbers_is_refused(tmp_path: Path) -> None:
    save_file(changed(lambda w: w.to(torch.int8)), tmp_path / "model.safetensors")
    with pytest.raises(StripeError, match=r"must hold 0\.weight in torch\.float32"):
        load_weights(tmp_path / "model.safetensors", network())


def test_an_archive_that_unpacks_to_more_than_it_has(tmp_path: Path) -> None:
    """A gigabyte of zeros in a megabyte is refused before any of it is unpacked."""
    file = tmp_path / "bomb.pth"
    write_zip_bomb(file, 1024)
    with pytest.raises(ModelError, match="would unpack to 10737"):
        read_weights(file)


@pytest.mark.slow
def test_such_an_archive_takes_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "bomb.pth"
    write_zip_bomb(file, 1024)
    code = """
from pathlib import Path
from stripe.train.weights import read_weights
try:
    read_weights(Path({file!r}))
except Exception as error:
    print(error)
"""
    said, used = peak_mib(code.format(file=str(file)))
    assert "would unpack" in said
    said, base = peak_mib(code.format(file=str(tmp_path / "none")))
    assert used - base < 100


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"a":' * 100_000, "[]", "3", "", '{"epochs": "x"}', '{"nonsense": 1}',
     '{"out": "\\ud800"}', '{"data": 3, "versions": 3}'],
    ids=["deep", "deep object", "list", "number", "empty", "type", "unknown", "half pair", "data"],
)  # fmt: skip
def test_a_config_of_another_form(tmp_path: Path, content: str) -> None:
    (tmp_path / CONFIG).write_text(content)
    reads = (lambda: read_config(tmp_path / CONFIG, TrainConfig), lambda: read_data_shape(tmp_path))
    said = []
    for read in reads:
        try:
            read()
        except StripeError as error:
            said.append(str(error))
    assert said
    assert not any("\n" in text for text in said)


@pytest.mark.parametrize(
    "change",
    [
        lambda recipe: "[" * 100_000,
        lambda recipe: "",
        lambda recipe: "3",
        lambda recipe: json.dumps({**recipe, "gates": 3}),
        lambda recipe: json.dumps({**recipe, "gates": [{"gate": "g"}]}),
        lambda recipe: json.dumps({**recipe, "gates": [{**recipe["gates"][0], "channels": "x"}]}),
        lambda recipe: json.dumps(
            {**recipe, "gates": [{**recipe["gates"][0], "channels": 10**12}]}
        ),
        lambda recipe: json.dumps({**recipe, "input_shape": [3, 10**6, 10**6]}),
        lambda recipe: json.dumps({**recipe, "input_shape": "abc"}),
        lambda recipe: json.dumps({"gates": recipe["gates"]}),
    ],
)
def test_a_recipe_of_another_form(tmp_path: Path, change: Callable[[Any], str]) -> None:
    model = stripe.build("resnet20", attention="se", num_classes=2, seed=0)
    recipe = {"gates": [GATE], "input_shape": [3, 16, 16]}
    file = tmp_path / "frozen.safetensors"
    write_frozen(model, file, recipe)
    file.with_suffix(".frozen.json").write_text(change(recipe))
    with pytest.raises(ModelError, match="does not say which gates are frozen") as raised:
        load_network("resnet20", attention="se", num_classes=2, weights=file)
    assert "\n" not in str(raised.value)


def test_a_file_of_the_working_directory_hides_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_of_this_test.py").write_text(
        "from torch import nn\ndef network():\n    import colorsys\n"
        "    assert hasattr(colorsys, 'rgb_to_hsv')\n    return nn.Linear(1, 1)\n"
    )
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('a file of the directory')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "colorsys", raising=False)
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    assert isinstance(load_network("mine_of_this_test:network"), nn.Linear)
