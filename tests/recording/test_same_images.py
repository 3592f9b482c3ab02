"""Equal indices alone do not make images the same."""

import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stripe
from stripe.errors import RecordingError
from stripe.explorer.slices import Slices
from stripe.recording import Header, RecordedGate, RecordingWriter
from stripe.recording.label_order import regular_order

MIXED = [2, 0, 1, 1, 2, 0]
OTHER = [0, 2, 1, 1, 2, 0]
SORTED = [0, 0, 1, 1, 2, 2]
PERIODIC = [0, 1, 2, 0, 1, 2]
NONE: list[int] = []


@pytest.mark.parametrize("count", range(2, 26))
def test_regular_orders(count: int) -> None:
    classes = np.arange(count) % 10
    assert regular_order(classes) == ("periodic" if count > 10 else "sorted")
    assert regular_order(np.sort(classes)[::-1]) == "sorted"
    rng = np.random.default_rng(0)
    drawn = [regular_order(rng.integers(0, 3, 12 + count)) for _ in range(20)]
    assert drawn == [""] * 20


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that records the same gates with labels, one list per epoch."""

    def written(name: str, dataset: str, *labels: Sequence[int]) -> Path:
        gates = (RecordedGate(name="g", owner="g", owner_class="Gated", channels=3, pooled=False),)
        with RecordingWriter(tmp_path / name, Header(gates=gates, dataset=dataset)) as writer:
            for epoch, of_epoch in enumerate(labels):
                values = np.random.default_rng(epoch).random((6, 3), np.float32)
                with writer.epoch(epoch) as part:
                    known = {"label": np.array(of_epoch)} if of_epoch else {}
                    part.write(np.arange(6), {"gate/g": values}, **known)
        return tmp_path / name

    return written


@pytest.mark.parametrize(
    ("names", "labels", "why"),
    [
        (("x/test", "x/test"), (MIXED, MIXED), ""),
        (("x/test", "x/test"), (NONE, NONE), ""),
        (("", ""), (MIXED, MIXED), ""),
        (("", ""), (NONE, MIXED), "the data sets are without a name, and .* missing"),
        (("", ""), (NONE, NONE), "the data sets are without a name, and .* missing"),
        (("", ""), (SORTED, SORTED), "the data sets are without a name, and .* sorted"),
        (("", ""), (PERIODIC, PERIODIC), "the data sets are without a name, and .* periodic"),
        (("cats", "dogs"), (PERIODIC, PERIODIC), "'cats' and 'dogs', and .* periodic"),
        (("x/test", "y/test"), (MIXED, MIXED), ""),
        (("x/test", "x/test"), (MIXED, OTHER), "image 0 has the labels 2 and 0"),
        (("x/test", "y/test"), (NONE, NONE), "'x/test' and 'y/test', and .* missing"),
        (("cats", "dogs"), (SORTED, SORTED), "'cats' and 'dogs', and .* sorted"),
        (("x/test", ""), (MIXED, NONE), "'x/test' and without a name, and .* missing"),
    ],
)
def test_images_are_paired_by_more_than_their_index(
    names: tuple[str, str], labels: tuple[list[int], list[int]], why: str, write: Any
) -> None:
    paths = [write(run, *of) for run, of in zip("ab", zip(names, labels, strict=True), strict=True)]
    warned = (
        pytest.warns(UserWarning, match=f"are not paired, because .*{why}")
        if why
        else nullcontext()
    )
    with warned:
        table = stripe.compare(paths, resamples=100)
    assert table.attrs["paired"] is (not why)
    assert (table[["low", "high"]] == 0).all(axis=None) == (not why)  # the same values
    assert re.search(why or "^$", table.attrs["unpaired"])
    assert [run["same_images"] for run in Slices(paths).about()["runs"]] == [True, not why]


def test_the_command_says_why(write: Any, run: Callable[..., tuple[int, str]]) -> None:
    paths = [write("a", "x", MIXED), write("b", "x", OTHER)]
    with pytest.warns(UserWarning, match="not paired, because image 0 has the labels 2 and 0"):
        code, said = run("stats", "compare", *paths, "--resamples", 100)
    assert code == 0, said
    assert "images drawn anew, not in pairs, n = 6\n" in said
    assert "the same images" not in said


def test_plots_of_single_images_refuse_other_images(write: Any) -> None:
    paths = [write("a", "x", MIXED, MIXED), write("b", "y", OTHER, OTHER)]
    with pytest.raises(RecordingError, match="shown image by image, but image 0 has the labels"):
        stripe.plots.epoch_difference(paths, n_images=2)
    ax = stripe.plots.overview(paths, side="after")
    said = [text.get_text() for axes in ax.child_axes for text in axes.texts]
    assert any("are not known to hold the same images" in " ".join(text.split()) for text in said)


def test_images_without_a_name_and_labels_are_not_shown_as_the_same(write: Any) -> None:
    paths = [write(name, "", NONE, NONE) for name in "ab"]
    with pytest.raises(RecordingError, match=r"sets are without a name.*; draw .* \(dataset=\)\Z"):
        stripe.plots.epoch_difference(paths, n_images=2)
    assert stripe.compare(paths[0], epoch=[0, 1], resamples=100).attrs["paired"]
    stripe.plots.epoch_difference(paths[0], n_images=2)


@pytest.mark.parametrize("use", ["epoch_similarity", "epoch_difference"])
def test_an_image_keeps_its_label_over_epochs(use: str, write: Any) -> None:
    mixed = write("a", "x", MIXED, OTHER)
    gate = {"gate": "g"} if use == "epoch_difference" else {}
    with pytest.raises(RecordingError, match="image 0 has the labels 2 and 0"):
        getattr(stripe.stats, use)(mixed, **gate)


@pytest.mark.slow
@pytest.mark.parametrize("same", [True, False])
def test_the_page_links_runs_of_the_same_images_alone(
    same: bool, write: Any, browser: Any, tmp_path: Path
) -> None:
    paths = [write("a", "x", MIXED), write("b", "x", MIXED if same else OTHER)]
    images = np.zeros((6, 8, 8), np.uint8)
    explorer = stripe.explore(paths, images=images, image_order="label")
    page = browser.new_page(offline=True)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(explorer.save(tmp_path / "page.html").as_uri())
    app = "document.querySelector('.sx')?.explorer"
    page.wait_for_function(f"() => {app}?.panels.length === 2 && {app}.panels[1].ordered")
    orders = page.evaluate(f"() => {app}.panels.map((p) => [...p.ordered.rowOrder])")
    labels = [MIXED, MIXED if same else OTHER]
    for order, of_run in zip(orders, labels, strict=True):
        assert [of_run[row] for row in order] == sorted(of_run)
    assert page.evaluate(f"() => {app}.panels.map((p) => p.sameImages)") == [True, same]
    page.evaluate(f"() => {app}.select({{ panel: {app}.panels[1], image: 4, column: 1 }})")
    assert page.evaluate(f"() => {app}.view.image") == (4 if same else None)
    assert not errors
