"""The page in a real Chromium: served, and as a file without a network."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explorer_page import DRAWN, MIDDLE, TOLD, opened, view_of

import stripe
from stripe.explorer.serve import ExplorerServer
from stripe.explorer.slices import Slices

pytestmark = pytest.mark.slow


@pytest.fixture
def served(explored: Path, pixels: np.ndarray) -> Iterator[str]:
    """Serve the recording with its images and the names of its classes."""
    slices = Slices(explored, images=pixels, classes=["cat", "dog", "owl"])
    with ExplorerServer(slices, view={}) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.address
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("width", [1400, 1000, 700])
def test_the_map_does_not_move_while_the_page_loads(browser: Any, served: str, width: int) -> None:
    """The place of a cell that is pointed at is that of the first frame that shows it."""
    page = browser.new_page(viewport={"width": width, "height": 850})
    page.add_init_script(
        "window.places = [];"
        "const note = () => {"
        "  const lead = document.querySelector('.sx')?.explorer?.lead;"
        "  const place = lead && [lead.box, lead.canvas.getBoundingClientRect()];"
        "  if (lead) window.places.push(JSON.stringify(place));"
        "  requestAnimationFrame(note);"
        "};"
        "requestAnimationFrame(note);"
    )
    page.goto(served)
    page.wait_for_function("() => document.querySelector('.sx')?.explorer?.steps.matrix")
    page.wait_for_timeout(200)
    assert len(set(page.evaluate("() => window.places"))) == 1


def test_a_cell_tells_image_channel_class_and_value(
    browser: Any, served: str, explored: Path, keep_picture: Callable[[Any, str], None]
) -> None:
    page = opened(browser, f"{served}#gate=b&epoch=1&image_order=label&channel_order=mean")
    box = page.evaluate(
        "() => { const { lead } = document.querySelector('.sx').explorer;"
        "const at = lead.canvas.getBoundingClientRect(), box = lead.box;"
        "return [at.x + box.left, at.y + box.top, box.width, box.height]; }"
    )
    values = stripe.open_recording(explored).values("b", 1)
    images = sorted(range(30), key=lambda image: (image % 3, image))
    channels = np.argsort(values.mean(axis=0), kind="stable")
    x, y = box[0] + box[2] * 40.5 / 70, box[1] + box[3] * 12.5 / 30  # cell 40 of row 12
    page.mouse.click(x, y)
    image, label = images[12], ["cat", "dog", "owl"][images[12] % 3]
    page.wait_for_function(
        "() => !document.querySelector('.sx-cell').textContent.includes('≈') "
        "&& document.querySelector('.sx-cell b')"
    )
    told = page.locator(".sx-cell").inner_text()
    value = float(page.locator(".sx-cell b").inner_text())
    assert f"image {image} (label {label}" in told
    channel = int(told.split("channel ")[1].split(",")[0])
    assert value == pytest.approx(float(values[image, channel]), abs=1e-4)
    assert abs(int(np.flatnonzero(channels == channel)[0]) - 40) <= 1  # means in steps may tie
    assert view_of(page)["image"] == image
    opening = page.locator(".sx-strip").first.locator("figcaption").first.inner_text()
    assert float(opening.split()[0]) == pytest.approx(float(values[:, channel].max()), abs=5e-3)
    assert page.locator(".sx-strip canvas").count() == 12
    keep_picture(page, "explorer_served")


def test_the_details_of_a_cell_are_those_of_its_run(
    browser: Any, explored: Path, write_recording: Callable[..., Path], tmp_path: Path
) -> None:
    """Also in the second run, whose gates are ten times as large."""
    first = stripe.open_recording(explored)
    larger = {epoch: {g: 10 * first.values(g, epoch) for g in "ab"} for epoch in first.epochs}
    other = write_recording(larger, path=tmp_path / "larger")
    slices, target = Slices([explored, other]), tmp_path / "two.html"
    stripe.explorer.explorer.Explorer(slices, {"gate": "a"}).save(target)
    page = opened(browser, target.as_uri(), width=1000)
    page.wait_for_function("() => document.querySelector('.sx').explorer.panels[1]?.ordered")
    assert page.locator(".sx-gates .sx-hint").inner_text().startswith("gates of ")
    place = page.evaluate(
        "() => { const [, panel] = document.querySelector('.sx').explorer.panels;"
        "const at = panel.canvas.getBoundingClientRect(), box = panel.box;"
        "return [at.x + box.left + box.width * 2.5 / 12, at.y + box.top + box.height * 7.5 / 30]; }"
    )
    page.mouse.click(*place)
    highest = float(larger[2]["a"][:, 2].max())
    for found in page.locator(".sx-details h3").all_inner_texts()[-1:]:
        assert found == "larger: channel 2"
    assert "larger: channel 2, image 7" in page.locator(".sx-cell").inner_text()
    opening = page.locator(".sx-strip").first.locator("figcaption").first.inner_text()
    assert float(opening.split()[0]) == pytest.approx(highest, abs=0.05)
    assert int(opening.split()[1].strip("#")) == int(larger[2]["a"][:, 2].argmax())
    assert view_of(page)["run"] == 1
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    after = page.evaluate(
        "() => document.querySelector('.sx').explorer.panels[1].canvas.getBoundingClientRect().y"
    )
    page.mouse.move(place[0] + 5, place[1])
    assert after == page.evaluate(
        "() => document.querySelector('.sx').explorer.panels[1].canvas.getBoundingClientRect().y"
    )


def test_wheel_and_drag_zoom_and_pan_and_the_link_brings_them_back(
    browser: Any, served: str
) -> None:
    page = opened(browser, served)
    box = page.locator(".sx-map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    page.wait_for_function("() => document.querySelector('.sx').explorer.view.zoom")
    zoomed = view_of(page)["zoom"]
    assert zoomed[1] - zoomed[0] < 0.8
    page.mouse.down()
    page.mouse.move(x - 120, y, steps=4)
    page.mouse.up()
    moved = view_of(page)["zoom"]
    assert moved[0] > zoomed[0] + 0.03
    assert moved[2:] == pytest.approx(zoomed[2:])
    page.wait_for_function(TOLD)
    again = opened(browser, page.evaluate("() => location.href"))
    assert view_of(again)["zoom"] == pytest.approx(moved)
    again.get_by_role("button", name="Whole").click()
    assert view_of(again)["zoom"] is None


def test_choices_redraw_and_epochs_play(browser: Any, served: str) -> None:
    page = opened(browser, f"{served}#gate=a&epoch=0")
    first = page.evaluate(MIDDLE)
    page.locator(".sx-card[data-gate='b']").click()
    page.wait_for_function(DRAWN.format("b"))
    page.get_by_label("images by").select_option("similarity")
    page.get_by_label("colour scale").select_option("shared")
    page.get_by_label("show", exact=False).select_option("both")
    page.wait_for_function("() => document.querySelectorAll('.sx-map').length === 2")
    page.get_by_title("Play the epochs").click()
    page.wait_for_function("() => document.querySelector('.sx').explorer.lead?.epoch === 2")
    assert page.evaluate(MIDDLE) != first
    page.get_by_label("sort gates by").select_option("eta2")
    page.wait_for_function("() => document.querySelector('.sx').explorer.glances.size === 2")
    cards = page.locator(".sx-card").all()
    etas = [float(card.locator(".sx-numbers").inner_text().split()[1]) for card in cards]
    assert etas == sorted(etas, reverse=True)


def test_picture_and_table_are_saved(
    browser: Any, served: str, explored: Path, tmp_path: Path
) -> None:
    page = opened(browser, f"{served}#gate=a&zoom=0,0.5,0,0.1")
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename.endswith("-a-epoch2.csv")
    table = np.genfromtxt(download.value.path(), delimiter=",", names=True)
    assert table.dtype.names is not None
    assert table.dtype.names[3:] == tuple(f"channel_{channel}" for channel in range(6))
    values = stripe.open_recording(explored).values("a", 2)
    np.testing.assert_allclose(table["channel_4"], values[:3, 4], rtol=1e-5)


@pytest.mark.parametrize("width", [1400, 1000, 700])
def test_nothing_lies_outside_of_the_window(browser: Any, served: str, width: int) -> None:
    page = opened(browser, served, width)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert page.locator(".sx-map").bounding_box()["width"] > 350


def test_a_file_works_offline(
    browser: Any, explored: Path, pixels: np.ndarray, tmp_path: Path
) -> None:
    file = stripe.explore(explored, gate="a", images=pixels, epoch=1).save(tmp_path / "page.html")
    page = opened(browser, file.as_uri(), offline=True)
    assert view_of(page)["epoch"] == 1
    assert len(set(page.evaluate(MIDDLE))) > 10
    page.locator(".sx-map").click()
    assert "≈" in page.locator(".sx-cell b").inner_text()
    changes = page.locator(".sx-steps h3", has_text="black, to")
    changes.wait_for(timeout=30_000)
    page.wait_for_function("() => document.querySelectorAll('.sx-strip canvas').length === 12")


def test_a_drawing_has_text_and_the_map(
    browser: Any, served: str, keep_picture: Callable[[Any, str], None]
) -> None:
    from xml.etree import ElementTree

    page = opened(browser, f"{served}#gate=a&side=both&image_order=label")
    page.wait_for_function("() => document.querySelectorAll('.sx-map').length === 2")
    page.wait_for_function(
        "() => document.querySelector('.sx').explorer.panels.every(p => p.ordered)"
    )
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG").click()
    assert download.value.suggested_filename.endswith("-a-epoch2.svg")
    drawing = ElementTree.parse(download.value.path()).getroot()
    name = "{http://www.w3.org/2000/svg}"
    told = [text.text for text in drawing.iter(f"{name}text")]
    assert sum(text is not None and text.startswith("channel (12") for text in told) == 2
    assert {"cat", "dog", "owl"} <= set(told)
    maps = [image for image in drawing.iter(f"{name}image") if float(image.get("width", "0")) > 200]
    assert len(maps) == 2
    assert maps[0].get("href", "").startswith("data:image/png;base64,")
    width = float(drawing.get("width", "0"))
    page.set_content(Path(download.value.path()).read_text())
    keep_picture(page, "explorer_drawing")
    assert page.locator("svg").bounding_box()["width"] == pytest.approx(width, abs=1)


def test_images_are_sorted_by_cluster(
    browser: Any, write_recording: Callable[..., Path], tmp_path: Path
) -> None:
    """Nine kinds of images that take turns; clusters are the kinds, and at most eight."""
    rng = np.random.default_rng(0)
    for kinds in (3, 9):
        centres = rng.random((kinds, 20))
        values = centres[np.arange(36) % kinds] + rng.normal(scale=0.01, size=(36, 20))
        recording = write_recording({0: {"g": values}}, path=tmp_path / str(kinds))
        file = stripe.explore(recording, image_order="cluster").save(tmp_path / f"{kinds}.html")
        page = opened(browser, file.as_uri())
        order, clusters = page.evaluate(
            "() => { const { rowOrder } = document.querySelector('.sx').explorer.lead.ordered;"
            "return [[...rowOrder], [...rowOrder.clusters]]; }"
        )
        assert sorted(order) == list(range(36))
        sorted_ = [clusters[row] for row in order]
        assert sorted_ == sorted(sorted_)
        of_kind = [{clusters[row] for row in range(kind, 36, kinds)} for kind in range(kinds)]
        if kinds == 3:
            assert len(set.union(*of_kind)) >= 3
            assert not of_kind[0] & of_kind[1] | of_kind[0] & of_kind[2] | of_kind[1] & of_kind[2]
        else:
            assert len(set.union(*of_kind)) <= 8
