"""Commands print their numbers before they write a file, so a full disk does not cost them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_files import full

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def recorded(subject: list[str], run: Run) -> str:
    """Return a recording of the network, beside which new files find no room."""
    code, said = run("record", *subject, "--out", "r")
    assert code == 0, said
    return "r"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "options", "out", "printed"),
    [
        ("noise", ["--spec", "constant:0.9,0.1"], "t.csv", "constant:0.9,0.1"),
        ("bound", [], "t.csv", "amplification"),
        ("ablate", ["--recording", "r", "--interventions", "one"], "t.csv", "agreement"),
        ("freeze", ["--recording", "r"], "w.safetensors", "folded"),
        ("cam", ["--layer", "layer3"], "c.png", "of the mean map of 4 images"),
    ],
)
def test_the_numbers_are_printed_before_the_file_is_written(
    command: str, options: list[str], out: str, printed: str, subject: list[str], recorded: str,
    run: Run,
) -> None:  # fmt: skip
    with full(100):
        code, said = run(command, *subject, *options, "--out", out)
    assert code == 1
    numbers, error = said.split("error: ")
    assert printed in numbers
    assert error.startswith(f"cannot write {Path(out).stem}")
    assert "File too large" in error
    assert not Path(out).exists()


@pytest.mark.slow
@pytest.mark.parametrize("json", [[], ["--json"]])
def test_an_audit_is_printed_before_its_report(
    json: list[str], subject: list[str], run: Run
) -> None:
    with full(40_000):
        code, said = run("audit", *subject, "--rounds", 1, "--out", "a.html", *json)
    assert code == 1
    numbers, error = said.split("error: ")
    assert "gates freeze with at least" in numbers or '"recommended"' in numbers
    assert error.startswith("cannot write the report a.html: File too large; make room")
    assert "report  a.html" not in said
    assert not Path("a.html").exists()
