"""Commands about networks of any task: --predict and --agree."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, str]]

MODULE = """
import stripe, torch
from torch import nn

def network():
    torch.manual_seed(0)
    body = stripe.build("resnet8_basic", attention="se", num_classes=6, in_channels=1)
    return nn.Sequential(body, nn.Unflatten(1, (6, 1, 1, 1)))

def text(output):
    return ["".join(str(k) for k in row) for row in output.flatten(1).argsort(1).tolist()]

def near(one, other):
    return sum(a == b for a, b in zip(one, other)) / 6

def wrong(output):
    return output["logits\\nof it"]

nothing = None
"""

NETWORK = ["--model", "spelling_network:network", "--device", "cpu"]
IMAGES = ["--images", "fashion-mini", "--limit", "16", "--batch-size", "8"]
TEXTS = ["--predict", "spelling_network:text"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spelling_network.py").write_text(MODULE)


def found(said: str) -> Any:
    lines = said.splitlines()
    first = next(k for k, line in enumerate(lines) if line in ("[", "{") or line.startswith("[{"))
    return json.JSONDecoder().raw_decode("\n".join(lines[first:]))[0]


@pytest.mark.slow
def test_every_command_that_compares_takes_both(run: Run, tmp_path: Path) -> None:
    edits = [*NETWORK, *IMAGES, *TEXTS, "--agree", "edit", "--json"]
    code, said = run("ablate", *edits, "--interventions", "one", "--figure", tmp_path / "a.png")
    assert code == 0, said
    rows = found(said)
    assert rows[0]["agreement"] == 1
    assert all(row["kl"] is None and row["accuracy"] is None for row in rows)
    assert 0 < rows[-1]["agreement"] < 1
    code, said = run("noise", *edits, "--spec", "constant:0.5,0.5", "--figure", tmp_path / "n.png")
    assert code == 0, said
    assert [row["agreement"] < 1 for row in found(said)] == [False, True]
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("a.png", "n.png"))
    own = [*NETWORK, *IMAGES, *TEXTS, "--agree", "spelling_network:near"]
    code, said = run("audit", *own, "--rounds", "1", "--threshold", "0.5", "--json")
    assert code == 0, said
    assert 0.5 < found(said)["greedy"][-1]["agreement"] <= 1
    code, said = run("record", *NETWORK, *IMAGES, "--out", "r", "--json")
    assert code == 0, said
    out = ["--recording", "r", "--out", "w.safetensors", "--json"]
    code, said = run("freeze", *own, *out)
    assert code == 0, said
    table = found(said)["comparison"]
    assert [row["constants"] for row in table] == ["none", "mean"]
    assert 0.5 < table[1]["agreement"] <= 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--agree", "near"], "unknown agreement 'near'; choose one of: equal, edit, iou, boxes"),
        (
            ["--predict", "text"],
            "--predict is module:function, as mine:read .* 'text' is none of them",
        ),
        (["--predict", "spelling_network:txet"], "'spelling_network:txet' is none of them: module"),
        (["--agree", "spelling_network:nothing"], "--agree is module:function.* type NoneType"),
        (["--agree", "os:getcwd"], "give a function of your own module, got 'os:getcwd' of Python"),
    ],
)
@pytest.mark.parametrize("command", [["ablate"], ["noise", "--spec", "batch"], ["audit"]])
def test_a_function_that_is_not_there_is_one_line(
    run: Run, command: list[str], given: list[str], message: str
) -> None:
    code, said = run(*command, *NETWORK, *IMAGES, *given)
    assert code == 1
    assert said.count("\n") == 1
    assert re.search(rf"\Aerror: [^\n]*{message}", said), said


def test_an_error_of_a_function_is_one_line(run: Run) -> None:
    wrong = ["--predict", "spelling_network:wrong"]
    code, said = run("noise", *NETWORK, *IMAGES, *wrong, "--spec", "batch")
    assert code == 1
    last = said.splitlines()[-1]
    assert re.search(
        r"\Aerror: --predict spelling_network:wrong raised \w+Error: .*; correct", last
    )
