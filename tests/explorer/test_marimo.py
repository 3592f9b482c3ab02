"""The explorer in a real marimo notebook, in Chromium."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from server_process import server_process

import stripe

#: Its first cell shows the explorer, and its last one the code of the view after each click.
NOTEBOOK = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    import stripe

    explorer = stripe.explore({path!r}, gate="a")
    explorer
    return explorer, mo


@app.cell
def _(mo):
    again = mo.ui.button(label="again", value=0, on_click=lambda value: value + 1)
    again
    return (again,)


@app.cell
def _(again, explorer):
    f"click {{again.value}}: {{explorer.code}}"
    return
"""


@pytest.fixture
def address(explored: Path, tmp_path: Path) -> Iterator[str]:
    """Run the notebook in a marimo of its own, and return its address."""
    pytest.importorskip("marimo")
    notebook = tmp_path / "notebook.py"
    notebook.write_text(NOTEBOOK.format(path=str(explored)))

    def command(port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "marimo", "--yes", "run", str(notebook)),
            *("--headless", "--no-token", "--port", str(port)),
        ]

    with server_process(command, tmp_path) as where:
        yield where


@pytest.mark.slow
def test_in_a_real_marimo(
    address: str, browser: Any, keep_picture: Callable[[Any, str], None]
) -> None:
    from playwright.sync_api import expect

    _wait_for(address)
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(address)
    page.locator(".sx-card[data-gate='b']").click(timeout=120_000)
    root = page.locator(".sx").element_handle()  # in a shadow root, so not in the document
    page.wait_for_function("root => root.explorer.lead?.gate === 'b'", arg=root, timeout=30_000)
    page.wait_for_function("root => root.explorer.telling === null", arg=root)
    keep_picture(page, "explorer_marimo")
    page.get_by_role("button", name="again").click()
    expect(page.get_by_text("click 1: stripe.explore(")).to_contain_text("gate='b'", timeout=30_000)


def test_without_anywidget_marimo_gets_the_frame(
    explored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripe.explorer.explorer.find_spec", lambda name: None)
    assert stripe.explore(explored)._display_()._repr_html_().startswith("<iframe srcdoc=")


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            urlopen(address, timeout=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return
