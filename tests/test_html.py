"""What objects show of themselves in Jupyter: facts, a picture and a table."""

import base64
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import colormaps
from matplotlib import pyplot as plt
from PIL import Image
from torch import nn

import stripe
from stripe import html
from stripe.gates import Frozen
from stripe.recording import Gates


def pixels_of(shown: str) -> np.ndarray:
    found = re.search(r'src="data:image/png;base64,([^"]+)"', shown)
    assert found is not None
    return np.asarray(Image.open(BytesIO(base64.b64decode(found[1]))))


def test_a_raster_has_a_cell_per_value() -> None:
    values = np.array([[0, 1, 2], [2, 1, 0]], np.float32)
    pixels = pixels_of(html.raster(values, "values", "two rows"))
    side = pixels.shape[1] // 3
    expected = colormaps["viridis"](values / 2, bytes=True)[:, :, :3]
    np.testing.assert_array_equal(pixels[:: pixels.shape[0] // 2, ::side], expected)


def test_bars_are_as_high_as_their_numbers() -> None:
    shown = html.bars([1.0, 4.0], ["gate", "split"], ["a", "b<c"], "channels")
    heights = [float(found) for found in re.findall(r'height="([\d.]+)" fill', shown)]
    assert heights == [15, 60]
    assert "b&lt;c" in shown
    assert len(set(re.findall(r'fill="(#\w+)"', shown))) == 2


def test_a_table_says_how_many_rows_it_leaves_out() -> None:
    assert "and 2 more" in html.table(pd.DataFrame({"gate": range(10)}))
    assert "more" not in html.table(pd.DataFrame({"gate": ["<b>"]}))
    assert "&lt;b&gt;" in html.table(pd.DataFrame({"gate": ["<b>"]}))


def test_a_recording_shows_its_deepest_gate(explored: Path) -> None:
    recording = stripe.open_recording(explored)
    shown = recording._repr_html_()
    deepest = recording.header.channel_gates[-1]
    assert f"{deepest.name}, epoch {recording.last_epoch}: 30 images down" in shown
    values = recording.values(deepest.name)
    low, high = np.unravel_index([values.argmin(), values.argmax()], values.shape)
    pixels = pixels_of(shown)
    side, tall = pixels.shape[1] // deepest.channels, pixels.shape[0] // 30
    ends = colormaps["viridis"]([0.0, 1.0], bytes=True)[:, :3]
    for place, colour in zip(zip(low, high, strict=True), ends, strict=True):
        np.testing.assert_array_equal(pixels[place[0] * tall, place[1] * side], colour)


def test_a_damaged_recording_says_so(explored: Path) -> None:
    recording = stripe.open_recording(explored)
    (explored / "log" / "2.json").unlink()
    shown = recording._repr_html_()
    assert "epochs: <b>damaged</b>" in shown
    assert "2.json is missing" in shown


def test_gates_are_a_list_with_a_picture(small_model: nn.Module) -> None:
    gates = stripe.find_gates(small_model, torch.rand(2, 1, 8, 8))
    assert isinstance(gates, Gates)
    assert gates == list(gates)
    shown = gates._repr_html_()
    assert "2 gates" in shown
    assert re.findall(r"<title>(.*?)</title>", shown) == [
        f"{gate.name}: {gate.channels} channels" for gate in gates
    ]
    assert "<svg" not in Gates()._repr_html_()


def test_gates_in_a_terminal_are_a_table(small_model: nn.Module) -> None:
    gates = stripe.find_gates(small_model, torch.rand(2, 1, 8, 8))
    count, header, *rows = repr(gates).splitlines()
    assert count == "2 gates"
    assert header.split() == ["name", "owner_class", "kind", "channels", "layout"]
    assert [row.split()[0] for row in rows] == [gate.name for gate in gates]
    assert repr(Gates(gates[:1])).startswith("1 gate\n")
    assert len(repr(Gates(list(gates) * 50)).splitlines()) < 70
    assert repr(Gates()) == "[]"


def test_a_frozen_network_shows_what_became_of_each_gate() -> None:
    report = pd.DataFrame(
        {"gate": ["a", "b", "c"], "frozen": [True, True, False], "folded": [True, False, False]}
    )
    shown = Frozen(nn.Identity(), report, 1e-7)._repr_html_()
    assert "2 of 3 gates" in shown
    short = "Frozen(Identity: 2 of 3 gates frozen, 1 folded, error 1e-07)"
    assert repr(Frozen(nn.Identity(), report, 1e-7)) == short
    assert re.findall(r"<title>(.*?)</title>", shown) == [
        "a: folded", "b: constant beside its layer", "c: not frozen",
    ]  # fmt: skip


@pytest.mark.usefixtures("as_a_user")
def test_an_audit_shows_its_curve(small_model: nn.Module) -> None:
    images = torch.rand(16, 1, 8, 8)
    report = stripe.audit(small_model, [images], out=None, rounds=1, progress=False)
    before = plt.get_fignums()
    shown = report._repr_html_()
    assert plt.get_fignums() == before
    assert f"{len(report.recommended)}, for 99.0% agreement" in shown
    assert f"{len(report.recommended)} of 2 gates recommended for 99.0% agreement" in repr(report)
    assert (pixels_of(shown) < 128).any()


def test_a_sensitivity_shows_its_costs(small_model: nn.Module, tmp_path: Path) -> None:
    images = torch.rand(16, 1, 8, 8)
    recording = stripe.record(small_model, [images], tmp_path / "r", progress=False)
    found = stripe.sensitivity(small_model, [images], recording, progress=False)
    before = plt.get_fignums()
    shown = found._repr_html_()
    assert plt.get_fignums() == before
    assert f"all gates at once: <b>{found.cost():.3g} nats</b>" in shown
    assert "images: <b>16</b>" in shown
    assert f"2 gates: all at once {found.cost():.3g} nats, 16 images" in repr(found)
    assert (pixels_of(shown) < 128).any()
