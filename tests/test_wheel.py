"""What `pip install` of a built wheel gives, in an empty folder and without the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CODE = """
import stripe
from stripe.data import load_dataset
print(stripe.__file__)
print(len(load_dataset("fashion-mini", "train")))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it, without its dependencies, into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("stripe_attention-*.whl")
    install = [*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)]
    subprocess.run(install, check=True)
    return folder / "site"


def test_the_wheel_brings_code_data_and_command(site: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=True,
    )
    where, count = done.stdout.split()
    assert Path(where).is_relative_to(site)
    assert count == "7000"
    assert (site / "bin/stripe").exists()
    assert (site / "stripe/py.typed").exists()
    assert not (site / "tests").exists()
