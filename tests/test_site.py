"""The site: it builds without a warning, names all that is public, and specifies the format."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from pages import python_of

import stripe
from stripe.recording import RecordedGate

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PUBLIC = [name for name in stripe.__all__ if name not in ("plots", "stats")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does."""
    if any(find_spec(name) is None for name in ("sphinx", "myst_parser", "pydata_sphinx_theme")):
        pytest.skip("the dependency group docs is not installed")
    built = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(DOCS), str(built)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return built


@pytest.mark.slow
def test_the_site_has_a_page_for_every_source(site: Path) -> None:
    pages = [page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")]
    pages = [page for page in pages if page.parts[0] != "_build"]
    assert not [page for page in pages if not (site / page).is_file()]


@pytest.mark.slow
def test_the_reference_has_every_public_name(site: Path) -> None:
    page = (site / "api" / "stripe.html").read_text()
    assert not [name for name in PUBLIC if f'id="stripe.{name}"' not in page]
    plots = (site / "api" / "plots.html").read_text()
    assert 'id="stripe.plots.stripes"' in plots
    assert "importlib" not in plots


@pytest.mark.slow
def test_the_site_needs_no_network(site: Path) -> None:
    loaded = re.compile(r"<(?:script|img|link)[^>]+(?:src|href)=\"(https?://[^\"]+)\"")
    found = {link for page in site.rglob("*.html") for link in loaded.findall(page.read_text())}
    assert not found


def test_the_program_of_the_format_reads_a_recording(
    small_model: torch.nn.Module, tmp_path: Path
) -> None:
    images = torch.rand(6, 1, 8, 8)
    loader = [(images[[3, 0, 5]], torch.arange(3), torch.tensor([3, 0, 5])),
              (images[[1, 4, 2]], torch.arange(3), torch.tensor([1, 4, 2]))]  # fmt: skip
    recording = stripe.record(small_model, loader, tmp_path / "run", progress=False)
    names: dict[str, object] = {}
    exec(python_of(DOCS / "format.md"), names)
    read, gate = names["read"], recording.gates["name"][0]
    assert callable(read)
    np.testing.assert_array_equal(read(recording.path, gate, 0), recording.values(gate))
    head = recording.path / "log" / "head.json"
    head.write_bytes(head.read_bytes().replace(b'"last"', b'"Last"'))
    with pytest.raises(AssertionError):
        read(recording.path, gate, 0)


def test_the_format_names_every_field_of_a_gate() -> None:
    page = (DOCS / "format.md").read_text()
    fields = [*vars(RecordedGate(name="", owner="", owner_class="", channels=1))]
    assert not [name for name in fields if f"`{name}`" not in page]
