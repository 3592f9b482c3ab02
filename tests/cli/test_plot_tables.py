"""The tables that commands write are drawn again as the commands drew them."""

import json
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

import stripe

Run = Callable[..., tuple[int, str]]

MODULE = """
import stripe, torch

def network():
    torch.manual_seed(0)
    return stripe.build("resnet8_basic", attention="se", num_classes=10, in_channels=1).eval()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "options", "drawn"),
    [
        ("ablate", ["--interventions", "mean", "one", "--measure", "kl"], ["--measure", "kl"]),
        ("sensitivity", ["--draws", 2], []),
    ],
)
def test_a_table_gives_the_figure_of_its_command(
    command: str,
    options: list[object],
    drawn: list[object],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"tiny_to_{command}.py").write_text(MODULE)
    subject = ["--model", f"tiny_to_{command}:network", "--images", "fashion-mini", "--limit", 24]
    code, said = run(command, *subject, *options, "--out", "t.csv", "--figure", "own.png")
    assert code == 0, said
    plot = {"ablate": "ablation"}.get(command, command)
    assert run("plot", plot, "t.csv", *drawn, "--out", "again.png") == (0, "again.png\n")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "own.png").read_bytes()
    assert not plt.get_fignums()


def test_the_curve_of_an_audit(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    curve = {"frozen": [0, 1, 2], "agreement": [1.0, 0.98, 0.9], "accuracy": [0.8, 0.79, 0.7]}
    audit = {"greedy": pd.DataFrame(curve).to_dict("records"), "threshold": 0.95}
    (tmp_path / "audit.json").write_text(json.dumps(audit))
    assert run("plot", "freezing", "audit.json", "--out", "f.svg") == (0, "f.svg\n")
    drawn = (tmp_path / "f.svg").read_text()
    assert "audit" in drawn
    assert "threshold" in drawn


def test_an_audit_without_labels(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its JSON has null for every accuracy."""
    monkeypatch.chdir(tmp_path)
    model = stripe.build("resnet8_basic", attention="se", num_classes=10, in_channels=1)
    audit = stripe.audit(model, [torch.rand(8, 1, 16, 16)], None, rounds=1, progress=False)
    (tmp_path / "audit.json").write_text(json.dumps(audit.to_json()))
    assert '"accuracy": null' in (tmp_path / "audit.json").read_text()
    assert run("plot", "freezing", "audit.json", "--out", "f.png") == (0, "f.png\n")


def test_a_missing_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = run("plot", "freezing", "gone.json", "--out", "f.png")
    assert code == 1
    assert said.startswith(
        "error: gone.json cannot be read: No such file or directory; give a file"
    )


@pytest.mark.parametrize(
    ("plot", "content", "said"),
    [
        ("freezing", "[1]", "give a file with the output of stripe audit --json"),
        ("freezing", "not JSON", "give a file with the output of stripe audit --json"),
        ("freezing", '{"greedy": [{"frozen": 1}], "threshold": 0.9}', "agreement"),
        ("ablation", "gate,channels\na,1\n", "intervention"),
        ("sensitivity", "gate,channel\na,1\n", "first_order"),
    ],
)
def test_another_file(
    plot: str, content: str, said: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t").write_text(content)
    code, error = run("plot", plot, "t", "--out", "f.png")
    assert code == 1
    (line,) = error.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert not (tmp_path / "f.png").exists()
