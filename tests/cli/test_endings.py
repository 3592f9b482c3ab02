"""A file of another type than the command writes is refused before the work, with a better name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Run = Callable[..., tuple[int, str]]

#: A network that does not exist, so that a command that begins to work fails in another way.
MODEL = ("--model", "nowhere/run")
PICTURE = "a picture ends in .png, .pdf or .svg"
TABLE = "a table ends in .csv"
PAGE = "a page ends in .html or .htm"

COMMANDS = {
    "plot stripes {r} --out x/file.txt": (PICTURE, "file.png"),
    "cam {m} --layer l --out x/page.html": (PICTURE, "page.png"),
    "cam {m} --layer l --out a.png --save x/map.png": ("a mean map ends in .npz", "map.npz"),
    "ablate {m} --figure x/page.html": (PICTURE, "page.png"),
    "ablate {m} --out x/page.html": (TABLE, "page.csv"),
    "noise {m} --spec constant:0.5,0.1 --out x/file.txt": (TABLE, "file.csv"),
    "bound {m} --out x/file.txt": (TABLE, "file.csv"),
    "sensitivity {m} --out x/table.png": (TABLE, "table.csv"),
    "bench fps --out x/table": (TABLE, "table.csv"),
    "stats index {r} --out x/page.html": (TABLE, "page.csv"),
    "audit {m} --out x/file.txt": ("a report ends in .html or .htm", "file.html"),
    "explore {r} --out x/page.pdf": (PAGE, "page.html"),
    "findings --out x/page.html": ("a page of findings ends in .md", "page.md"),
    "freeze {m} --recording {r} --out x/weights.pt": (
        "a file of weights ends in .safetensors",
        "weights.safetensors",
    ),
    "freeze --model n.onnx --recording {r} --out x/frozen": (
        "a frozen ONNX file ends in .onnx",
        "frozen.onnx",
    ),
}


@pytest.mark.parametrize("command", list(COMMANDS))
def test_the_error_names_the_endings_and_a_name(
    command: str,
    run: Run,
    write_recording: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_recording({0: {"g": np.random.default_rng(0).random((9, 4))}}, path=Path("r"))
    expected, better = COMMANDS[command]
    code, said = run(*command.format(r=path, m=" ".join(MODEL)).split())
    given = next(word for word in command.split() if word.startswith("x/"))
    assert (code, said.splitlines()[-1]) == (
        1,
        f"error: {expected}, got {given}; choose a name such as x/{better}",
    )
    assert not Path("x").exists()
