"""The explorer in a real JupyterLab, and in a notebook without a kernel."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from explorer_page import DRAWN, MIDDLE, TOLD
from server_process import server_process

pytestmark = pytest.mark.slow


def notebook(explored: Path, path: Path) -> Path:
    code = f"import stripe\nexplorer = stripe.explore({str(explored)!r}, gate='a')\nexplorer"
    cells = [nbformat.v4.new_code_cell(code), nbformat.v4.new_code_cell("explorer.code")]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_a_page_without_a_kernel_shows_the_stripes(
    explored: Path, tmp_path: Path, browser: Any
) -> None:
    source = notebook(explored, tmp_path / "explore.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto((tmp_path / "explore.html").as_uri(), wait_until="domcontentloaded")
    shown = page.locator("img[alt='stripes of a'], iframe[title='explorer of gates']")
    assert shown.first.is_visible()
    assert shown.first.bounding_box()["width"] >= 500


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Run a JupyterLab in a folder of its own, and return its address."""
    pytest.importorskip("anywidget")
    homes = {f"JUPYTER_{name}": str(tmp_path / name) for name in ("CONFIG_DIR", "RUNTIME_DIR")}
    environment = {**os.environ, **homes, "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings")}

    def command(port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
            *(f"--port={port}", "--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}"),
            *("--ServerApp.disable_check_xsrf=True", "--LabApp.news_url=None"),
        ]

    with server_process(command, tmp_path, env=environment) as address:
        yield address


def test_in_a_real_jupyterlab(
    explored: Path,
    tmp_path: Path,
    lab: str,
    browser: Any,
    keep_picture: Callable[[Any, str], None],
) -> None:
    from playwright.sync_api import expect

    notebook(explored, tmp_path / "explore.ipynb")
    _wait_for(lab)
    page = browser.new_page(viewport={"width": 1500, "height": 1300})
    page.goto(f"{lab}/lab/tree/explore.ipynb?reset")
    cell = page.locator(".jp-CodeCell .cm-content").first
    expect(cell).to_be_visible(timeout=120_000)
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=120_000)
    cell.click()
    page.keyboard.press("Shift+Enter")
    page.wait_for_function(DRAWN.format("a"), timeout=120_000)
    expect(page.locator(".stripe-explorer-static")).to_be_hidden()
    page.locator(".sx-card[data-gate='b']").click()
    page.wait_for_function(DRAWN.format("b"), timeout=30_000)
    assert len(set(page.evaluate(MIDDLE))) > 10
    keep_picture(page, "explorer_lab")
    page.wait_for_function(TOLD)
    page.locator(".jp-CodeCell .cm-content").nth(1).click()
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output").last).to_contain_text("gate='b'", timeout=30_000)


def _wait_for(address: str) -> None:
    from urllib.request import urlopen

    deadline = time.monotonic() + 180
    while True:
        try:
            status: Any = json.load(urlopen(f"{address}/api/status", timeout=5))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            assert "kernels" in status
            return
