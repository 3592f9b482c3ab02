"""`stripe gates`: what is found in a network, before anything is recorded."""

import json
from typing import Any

import pytest

from stripe.cli import main


def run(*arguments: str) -> int | str | None:
    """Return the exit code of `stripe gates`."""
    with pytest.raises(SystemExit) as left:
        main(["gates", *arguments])
    return left.value.code


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert run(*arguments, "--json") == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def test_gates_and_where_they_fold(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys, "--model", "timm:mobilenetv3_small_050", "--image-size", "64")
    assert len(rows) == 9
    first, second = rows[:2]
    assert (first["gate"], first["owner"]) == ("blocks.0.0.se.gate", "blocks.0.0.se")
    assert (first["kind"], first["layout"], first["channels"]) == ("gate", "NC11", 16)
    # Behind ReLU it folds into the norm before it; behind Hardswish only into what follows.
    assert (first["into"], second["into"]) == ("blocks.0.0.bn1", "blocks.2.0.conv_pwl")


def test_a_network_without_gates(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys, "--model", "tv:resnet18", "--image-size", "32") == []
    assert run("--model", "tv:resnet18", "--image-size", "32") == 0
    assert capsys.readouterr().out == "no gates were found\n"
    assert run("--model", "resnet20", "--image-size", "32") == 0
    assert capsys.readouterr().out == "no gates were found; --attention se inserts some\n"


def test_a_size_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", "tv:resnet18", "--image-size", "0") == 1
    assert "--image-size is a side or HEIGHTxWIDTH" in capsys.readouterr().err
