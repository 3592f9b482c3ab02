"""The explorer: what its controls do, what a page shows, and a real JupyterLab in Chromium."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

import stripe
from stripe.errors import RecordingError
from stripe.recording import Header, RecordingWriter

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture
def recording(write_recording: Callable[..., Path]) -> Path:
    rng = np.random.default_rng(0)
    return write_recording({
        epoch: {"a": rng.random((30, 12)), "b": rng.random((30, 70))} for epoch in (0, 1, 2)
    })  # fmt: skip


def picture(explorer: Any) -> np.ndarray:
    """Return the right one of the two heat maps, the gate."""
    stripes = explorer.figure.axes[0].child_axes[0]
    return np.asarray(stripes.child_axes[1].images[0].get_array())


def test_controls_redraw_the_picture_and_the_line_of_code(recording: Path) -> None:
    explorer = stripe.explore(recording)
    assert picture(explorer).shape == (20, 60)
    explorer.controls["gate"].value = "a"
    explorer.controls["n_images"].value = 5
    explorer.controls["channel_order"].value = "spread"
    explorer.controls["epoch"].value = 1
    assert picture(explorer).shape == (5, 12)
    assert "gate='a', epoch=1, n_images=5" in explorer.code
    drawn: Any = eval(explorer.code, {"stripe": stripe})  # as a user pastes it
    again = drawn.child_axes[0].child_axes[1].images[0].get_array()
    np.testing.assert_array_equal(picture(explorer), np.asarray(again))
    assert len(explorer.figure.axes[0].child_axes[0].child_axes) == 4  # a colour bar each
    explorer.controls["scale"].value = "shared"
    assert "scale='shared'" in explorer.code
    assert len(explorer.figure.axes[0].child_axes[0].child_axes) == 3


def test_pointing_tells_channel_image_and_value(recording: Path) -> None:
    explorer = stripe.explore(stripe.open_recording(recording))
    gate: Any = explorer.figure.axes[0].child_axes[0].child_axes[1]
    x, y = gate.transData.transform((7, 3))
    height = explorer.figure.bbox.height
    explorer._point({"dataX": x, "dataY": height - y})
    told = re.fullmatch(
        r"after: gate: <b>(.+)</b> at channel (\d+) of image (\d+) .label (\d), prediction (\d).",
        explorer.pointer_text.value,
    )
    assert told is not None
    value, channel, image = float(told[1]), int(told[2]), int(told[3])
    values = stripe.open_recording(recording).values("b", 2)
    assert value == pytest.approx(float(values[image, channel]), abs=1e-4)
    assert int(told[4]) == image % 3  # the labels of the fixture
    before = explorer.pointer_text.value
    explorer._point({"dataX": 1, "dataY": 1})  # outside
    assert explorer.pointer_text.value == before


def test_the_view_is_saved(recording: Path, tmp_path: Path) -> None:
    explorer = stripe.explore(recording)
    file = explorer.save(tmp_path / "new" / "view.png")
    assert file.read_bytes().startswith(b"\x89PNG")


def test_without_pooled_inputs_it_says_so(tmp_path: Path) -> None:
    import torch

    model = stripe.build("resnet11", attention="se", num_classes=4)
    with stripe.Recorder(
        model, tmp_path / "r", torch.randn(2, 3, 16, 16), inputs=False
    ) as recorder:
        recorder.record([torch.randn(3, 3, 16, 16)], 0, progress=False)
    explorer = stripe.explore(tmp_path / "r")
    assert explorer.figure.axes[0].child_axes  # the gate alone
    explorer.controls["side"].value = "both"
    assert "no pooled inputs" in explorer.figure.axes[0].texts[0].get_text()


def test_nothing_to_explore(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "empty", Header(gates=())):
        pass
    with pytest.raises(RecordingError, match="no epoch yet"):
        stripe.explore(tmp_path / "empty")


def notebook(recording: Path, path: Path) -> Path:
    code = (
        f"import stripe\nexplorer = stripe.explore({str(recording)!r})\n"
        "explorer.controls['gate'].value = 'a'\nexplorer"
    )
    cell = nbformat.v4.new_code_cell(code)
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), path)
    return path


@pytest.mark.slow
@needs_chromium
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_a_page_without_a_kernel_shows_the_picture(recording: Path, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    source = notebook(recording, tmp_path / "explore.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto((tmp_path / "explore.html").as_uri(), wait_until="domcontentloaded")
        shown = page.locator("img[alt='stripes of a']")
        assert shown.is_visible()
        box = shown.bounding_box()
        assert box is not None
        assert box["width"] > 600
        _keep_picture(page, "explorer_static")
        browser.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Run a JupyterLab in a folder of its own, and return its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
        *(f"--port={port}", "--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}"),
        *("--ServerApp.disable_check_xsrf=True", "--LabApp.news_url=None"),
    ]
    homes = {f"JUPYTER_{name}": str(tmp_path / name) for name in ("CONFIG_DIR", "RUNTIME_DIR")}
    environment = {**os.environ, **homes, "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings")}
    log = (tmp_path / "lab.log").open("w")
    server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=tmp_path)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


@pytest.mark.slow
@needs_chromium
def test_in_a_real_jupyterlab(recording: Path, tmp_path: Path, lab: str) -> None:
    from playwright.sync_api import Page, expect, sync_playwright

    notebook(recording, tmp_path / "explore.ipynb")
    _wait_for(lab)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page: Page = browser.new_page(viewport={"width": 1500, "height": 1300})
        page.goto(f"{lab}/lab/tree/explore.ipynb?reset")
        cell = page.locator(".jp-CodeCell .cm-content").first
        expect(cell).to_be_visible(timeout=60_000)
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
        cell.click()
        page.keyboard.press("Shift+Enter")
        picture = page.locator("img.widget-image")
        expect(picture).to_be_visible(timeout=90_000)
        code = page.locator(".widget-html-content code")
        expect(code).to_contain_text("gate='a', epoch=2")
        expect(page.locator(f".{'stripe-explorer-static'}")).to_be_hidden()

        first = picture.get_attribute("src")
        page.locator(".jp-OutputArea select").first.select_option("b")
        expect(code).to_contain_text("gate='b', epoch=2", timeout=30_000)
        page.locator(".jp-OutputArea").get_by_role("slider").first.focus()
        page.keyboard.press("ArrowLeft")
        expect(code).to_contain_text("gate='b', epoch=1", timeout=30_000)

        expect(picture).not_to_have_attribute("src", first or "")
        box = picture.bounding_box()
        assert box is not None
        told = page.locator(".widget-html-content", has_text=re.compile("at channel"))
        page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.25 * box["height"])
        expect(told).to_contain_text("after: gate: ", timeout=30_000)

        page.get_by_role("button", name="Save as PNG").click()
        written = page.locator(".widget-html-content", has_text="written: b-epoch1.png")
        expect(written).to_be_visible(timeout=30_000)
        _keep_picture(page, "explorer_lab")
        browser.close()
    assert (tmp_path / "b-epoch1.png").read_bytes().startswith(b"\x89PNG")


def _wait_for(address: str) -> None:
    from urllib.request import urlopen

    deadline = time.monotonic() + 90
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


def _keep_picture(page: Any, name: str) -> None:
    """Keep what the browser shows, where somebody wants to look at it."""
    if folder := os.environ.get("STRIPE_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png")
