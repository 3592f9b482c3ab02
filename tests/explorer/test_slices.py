"""What a page gets when it asks: bytes of one gate, its numbers, thumbnails, and refusals."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import stripe
from stripe.errors import RecordingError, StripeError
from stripe.explorer.glance import glance
from stripe.explorer.pictures import SIDE, Pictures
from stripe.explorer.quantise import quantised
from stripe.explorer.slices import Slices
from stripe.recording import Header, RecordingWriter


def unpacked(answer: bytes) -> tuple[np.ndarray, int]:
    """Return the values that a page computes, and how many it is told are unknown."""
    rows, columns, unknown, low, high = struct.unpack_from("<IIIff", answer)
    steps = np.frombuffer(answer, np.uint8, offset=20).reshape(rows, columns)
    return low + steps / 255 * (high - low), unknown


def test_three_values_by_hand() -> None:
    found = quantised(np.array([[0, 0.5, 1]], np.float32))
    assert found.steps.tolist() == [[0, 128, 255]]
    assert (found.low, found.high, found.unknown) == (0, 1, 0)
    assert quantised(np.full((2, 2), 0.3, np.float32)).steps.max() == 0


def test_values_that_are_not_finite_are_counted() -> None:
    found = quantised(np.array([[np.nan, 1], [np.inf, 3]], np.float32))
    assert (found.low, found.high, found.unknown) == (1, 3, 2)
    assert found.steps.tolist() == [[0, 0], [0, 255]]
    assert quantised(np.full((1, 2), np.nan, np.float32)).unknown == 2


@pytest.mark.parametrize("side", ["after", "before"])
def test_a_matrix_is_the_values_to_half_a_step(explored: Path, side: str) -> None:
    values = stripe.open_recording(explored).values("b", 1) * (1 if side == "after" else -1)
    found, unknown = unpacked(Slices(explored).answer(f"matrix/0/1/1/{side}"))
    step = (values.max() - values.min()) / 255
    assert unknown == 0
    np.testing.assert_allclose(found, values, atol=0.51 * step)


def test_exact_rows_steps_and_rows_of_the_recording(explored: Path) -> None:
    slices, opened = Slices(explored), stripe.open_recording(explored)
    row = np.frombuffer(slices.answer("exact/0/1/2/after/7"), np.float32)
    np.testing.assert_array_equal(row, opened.values("b", 2)[7])
    steps, _ = unpacked(slices.answer("steps/0/0/4"))
    expected = stripe.stats.epoch_difference(opened, "a", image_ids=[4])[0]
    np.testing.assert_allclose(steps, expected, atol=0.01)
    rows = json.loads(slices.answer("rows/0/2"))
    assert rows["label"] == [image % 3 for image in range(30)]


def test_a_glance_has_the_numbers_of_the_statistics(explored: Path) -> None:
    found = json.loads(Slices(explored).answer("glance/0/1/2"))
    index = stripe.stats.stripe_index(stripe.open_recording(explored))
    row = index[(index["gate"] == "b") & (index["epoch"] == 2)].iloc[0]
    assert found["eta2"] == pytest.approx(row["eta2"], rel=1e-6)
    assert found["spread"] == pytest.approx(row["median_std"], rel=1e-6)
    assert (found["rows"], found["columns"]) == (24, 70)


def test_the_share_of_classes_by_hand() -> None:
    values = np.array([[0.0], [0.0], [1.0], [1.0]], np.float32)
    shares = [
        glance(values, pd.Series(labels, dtype="Int32"))["class"]
        for labels in ([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, None])
    ]
    assert shares == [1.0, 0.0, None]


def test_thumbnails_are_of_their_images(explored: Path, pixels: np.ndarray) -> None:
    answer = Slices(explored, images=pixels).answer("images/3,29,400")
    assert struct.unpack_from("<II", answer) == (3, SIDE)
    found = np.frombuffer(answer, np.uint8, offset=8).reshape(3, SIDE, SIDE, 3)
    assert [np.unique(one).tolist() for one in found] == [[3], [29], [230]]


@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7), (5, 7, 3), (1, 5, 7)])
def test_images_of_any_layout_become_squares(shape: tuple[int, ...]) -> None:
    image = np.linspace(-1, 2, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    for given in ([image], [(image, 4)]):
        assert Pictures(given).thumbnails([0]).shape == (1, SIDE, SIDE, 3)


def test_what_is_no_image_is_said() -> None:
    with pytest.raises(StripeError, match="height, width"):
        Pictures([np.zeros(3)]).thumbnails([0])
    with pytest.raises(StripeError, match="gives the image of an index, got int"):
        Pictures(3)


@pytest.mark.parametrize(
    "request_",
    ["", "nonsense", "matrix/0/1", "matrix/0/9/0/after", "matrix/7/0/0/after",
     "matrix/-1/0/0/after", "matrix/0/0/0/../../etc", "exact/0/0/0/after/99", "rows/0/77",
     "images/0", "matrix/0/0/²/after", "glance/0/0/0/0", "steps/0/0/999", "../../../etc/passwd"],
)  # fmt: skip
def test_other_requests_are_one_line(explored: Path, request_: str) -> None:
    with pytest.raises(StripeError) as raised:
        Slices(explored).answer(request_)
    assert "\n" not in str(raised.value)


def test_values_are_kept_up_to_a_size(explored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stripe.explorer.slices._KEPT", 4 * 30 * 70)
    slices = Slices(explored)
    for epoch in (0, 1, 2):
        slices.answer(f"matrix/0/1/{epoch}/after")
    assert list(slices._kept) == [(0, 1, 2, "after")]


def test_nothing_to_explore(tmp_path: Path, write_recording: Callable[..., Any]) -> None:
    with RecordingWriter(tmp_path / "empty", Header(gates=())):
        pass
    with pytest.raises(RecordingError, match="no epoch yet"):
        stripe.explore(tmp_path / "empty")
