"""The explorer in Python: its view, its line of code, the file that it writes, and its display."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stripe
from stripe.errors import StripeError, UnknownNameError
from stripe.explorer.page import offline_page, script
from stripe.explorer.slices import Slices


def test_the_line_of_code_brings_the_view_back(explored: Path) -> None:
    explorer = stripe.explore(
        explored, gate="a", epoch=1, image_order="label", zoom=(0, 0.5, 0.25, 1)
    )
    again = eval(explorer.code, {"stripe": stripe})  # as a user pastes it
    assert again.view == explorer.view
    assert again.view["zoom"] == [0, 0.5, 0.25, 1]


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ({"colour": "red"}, "an argument of a view is one of gate, epoch"),
        ({"side": "left"}, "side is one of after, before, both"),
        ({"zoom": (0.5, 0.5, 0, 1)}, "zoom is left, right, top and bottom"),
        ({"zoom": 0.5}, "zoom is left, right, top and bottom"),
        ({"run": "b"}, "run is a whole number, got 'b'"),
        ({"channel": 1.5}, "channel is a whole number, got 1.5"),
        ({"epoch": 9}, "no epoch 9"),
    ],
)
def test_a_wrong_view_is_one_line(explored: Path, view: dict[str, Any], said: str) -> None:
    with pytest.raises(StripeError, match=said):
        stripe.explore(explored, **view)
    with pytest.raises(UnknownNameError):
        stripe.explore(explored, gate="c")


def test_it_is_one_line_in_a_console(explored: Path) -> None:
    shown = stripe.explore(explored, gate="a", epoch=1)
    assert repr(shown) == f"Explorer({explored}: a, epoch 1)"
    assert repr(stripe.explore(explored)) == f"Explorer({explored}: b, epoch 2)"


def test_a_file_needs_no_network(explored: Path, tmp_path: Path) -> None:
    page = stripe.explore(explored).save(tmp_path / "new" / "page.html").read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?https?:|@import|fonts\.""", page)
    with pytest.raises(StripeError, match=r"ends in \.html"):
        stripe.explore(explored).save(tmp_path / "page.png")


def test_a_file_holds_the_last_epoch_and_those_with_room(explored: Path) -> None:
    slices, epoch = Slices(explored), 30 * (12 + 70) * 2
    pages = {most: offline_page(slices, {}, most=most) for most in (epoch, 2 * epoch, 9 * epoch)}
    held = {most: sorted({*re.findall(r'"rows/0/(\d)"', page)}) for most, page in pages.items()}
    assert held == {epoch: ["2"], 2 * epoch: ["0", "2"], 9 * epoch: ["0", "1", "2"]}
    shown = offline_page(slices, {"epoch": 1}, most=2 * epoch)
    assert sorted({*re.findall(r'"rows/0/(\d)"', shown)}) == ["1", "2"]
    for view, most in (({}, epoch - 1), ({"epoch": 1}, 2 * epoch - 1)):
        with pytest.raises(StripeError, match="leave out --out"):
            offline_page(slices, view, most=most)


def test_names_cannot_end_the_script(explored: Path) -> None:
    slices = Slices(explored, classes=["</script><script>alert(1)</script>"])
    page = offline_page(slices, {})
    assert page.count("</script>") == 1


def test_the_script_has_no_imports() -> None:
    assert not re.search(r"^\s*(import|export)\b", script(), re.MULTILINE)


def test_the_html_is_a_frame_or_where_it_is_large_a_picture(
    explored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = stripe.explore(explored, gate="a")
    assert explorer._repr_html_().startswith("<iframe srcdoc=")
    monkeypatch.setattr("stripe.explorer.explorer._MOST_IN_FRAME", 1)
    assert 'alt="stripes of a"' in explorer._repr_html_()


def test_without_anywidget_the_error_names_the_extra(
    explored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripe.explorer.explorer.find_spec", lambda name: None)
    with pytest.raises(StripeError, match=r"stripe-attention\[jupyter\]"):
        stripe.explore(explored).widget  # noqa: B018


def test_the_widget_answers_and_follows(explored: Path) -> None:
    pytest.importorskip("anywidget")
    explorer = stripe.explore(explored, gate="a")
    sent = []
    explorer.widget.send = lambda *message: sent.append(message)
    explorer.widget._answered(None, {"id": 1, "request": "exact/0/0/2/after/3"}, [])
    explorer.widget._answered(None, {"id": 2, "request": "nonsense"}, [])
    (first, [answer]), (second,) = sent
    assert first == {"id": 1}
    values = stripe.open_recording(explored).values("a", 2)[3]
    np.testing.assert_array_equal(np.frombuffer(answer, np.float32), values)
    assert second["id"] == 2
    assert "a request is one of" in second["error"]
    explorer.widget.view = {"gate": "b"}  # as the page does
    assert explorer.view == {"gate": "b"}
    assert "gate='b'" in explorer.code
