"""A small network of one's own, and images, for commands."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

#: A network that counts its passes in a file, and is interrupted or slow after some of them.
NETWORK = """
import os, signal, time
from pathlib import Path
import stripe

def build():
    options = {"attention": "se", "num_classes": 2, "image_size": 16, "seed": 0}
    network = stripe.build("resnet11", **options)
    network.register_forward_pre_hook(count)
    return network

def count(*_):
    log = Path(os.environ["PASSES"])
    passes = len(log.read_text()) if log.exists() else 0
    log.write_text("." * (passes + 1))
    if passes == int(os.environ.get("INTERRUPT_AT", -1)):
        signal.raise_signal(signal.SIGINT)
    time.sleep(float(os.environ.get("SLEEP", 0)))
"""


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the options of a network and four images of two classes in the working directory."""
    name = f"counted_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(NETWORK)
    for number in range(4):
        folder = tmp_path / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), 60 * number, np.uint8)).save(folder / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PASSES", str(tmp_path / "passes"))
    shape = ["--image-size", "16", "--device", "cpu", "--batch-size", "4"]
    return ["--model", f"{name}:build", "--images", "photos", *shape]
