"""A card says what a recording holds, and programs of others read the data by it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlcroissant
import numpy as np
import pytest
from torch import Tensor, nn

import stripe
from stripe.cards import About, croissant, write_card
from stripe.errors import RecordingError, StripeError

#: Of what mlcroissant calls in rdflib and pandas.
pytestmark = pytest.mark.filterwarnings(
    "ignore:ConjunctiveGraph is deprecated", "ignore:The inplace keyword"
)
ABOUT = About(license="CC-BY-4.0", creator="Ada", url="https://example.org/gates")


@pytest.fixture
def recorded(write_recording: Callable[..., Path]) -> stripe.Recording:
    rng = np.random.default_rng(0)
    values = {epoch: {"a gate": rng.random((7, 3)), "h.1": rng.random((7, 2))} for epoch in (0, 12)}
    return stripe.open_recording(write_recording(values))


def read(description: Path, name: str) -> list[dict[str, Any]]:
    dataset = mlcroissant.Dataset(jsonld=str(description))
    assert not dataset.metadata.issues.errors
    return list(dataset.records(record_set=name))


def test_mlcroissant_reads_every_row(recorded: stripe.Recording) -> None:
    _, description = write_card(recorded, about=ABOUT)
    rows = read(description, "images")
    assert [row["images/epoch"] for row in rows] == [0] * 7 + [12] * 7
    for gate in ("a%20gate", "h.1"):
        found = np.array([row[f"images/gate/{gate}"] for row in rows[7:]], np.float32)
        np.testing.assert_array_equal(found, recorded.values(gate.replace("%20", " "), 12))


def test_moments_are_described(small_model: nn.Sequential, images: Tensor, tmp_path: Path) -> None:
    recording = stripe.record(small_model, [images], tmp_path / "r", values=False, progress=False)
    _, description = write_card(recording, about=ABOUT)
    rows = read(description, "moments")
    gate = recording.header.gates[0]
    found = [r for r in rows if r["moments/column"].decode() == f"gate/{gate.name}"]
    moments = stripe.stats.channel_moments(recording).query("gate == @gate.name")
    assert [r["moments/mean"] for r in found] == moments["mean"].tolist()
    assert {r["moments/n"] for r in rows} == {len(images)}


def test_the_default_name_is_one_word(
    small_model: nn.Sequential, images: Tensor, tmp_path: Path
) -> None:
    names: dict[str, Any] = {"name": "tv:resnet18, attention se", "dataset": "my photos"}
    recording = stripe.record(small_model, [images], tmp_path / "r", progress=False, **names)
    assert croissant(recording)["name"] == "gates-tv-resnet18-attention-se-my-photos"


def test_files_stand_with_their_digests(recorded: stripe.Recording) -> None:
    files = [one for one in croissant(recorded)["distribution"] if one["@type"] == "cr:FileObject"]
    assert [one["contentUrl"] for one in files] == [
        "data/epoch=0/part-0.parquet",
        "data/epoch=12/part-0.parquet",
    ]
    assert [one["sha256"] for one in files] == recorded.verify()["sha256"].tolist()


def test_a_recording_with_a_card_goes_on(
    small_model: nn.Sequential, images: Tensor, tmp_path: Path
) -> None:
    recording = stripe.record(small_model, [images], tmp_path / "r", progress=False)
    page, description = write_card(recording)
    recording.verify()
    with stripe.Recorder(small_model, tmp_path / "r", images, resume=True) as recorder:
        recorder.record([images], epoch=1, progress=False)
    with pytest.raises(StripeError, match="exists already"):
        write_card(recording)
    write_card(recording, overwrite=True)
    assert "| epochs | 0, 1 |" in page.read_text()
    assert len(json.loads(description.read_text())["distribution"]) == 3


def test_a_damaged_recording_gets_no_card(recorded: stripe.Recording, tmp_path: Path) -> None:
    part = next(recorded.path.glob("data/*/*.parquet"))
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    with pytest.raises(RecordingError, match="SHA-256"):
        write_card(recorded, tmp_path / "card")
    assert not (tmp_path / "card").exists()


def test_the_page_shows_the_stripe_index_of_the_last_epoch(recorded: stripe.Recording) -> None:
    page, _ = write_card(recorded, about=ABOUT)
    index = stripe.stats.stripe_index(recorded)
    eta2 = index.loc[(index["epoch"] == 12) & (index["gate"] == "h.1"), "eta2"].item()
    assert "| `h.1` |" in page.read_text()
    assert f"| {eta2:.2f} |" in page.read_text()
    assert 'license: "cc-by-4.0"' in page.read_text().partition("# ")[0]


def test_the_command_takes_runs_and_names_what_is_missing(
    recorded: stripe.Recording, tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    shutil.copytree(recorded.path, tmp_path / "run" / "recording")
    code, said = run("card", tmp_path / "run", "--creator", "Ada", "--out", tmp_path / "card")
    assert code == 0
    assert "--license, --url" in said
    assert {path.name for path in (tmp_path / "card").iterdir()} == {"README.md", "croissant.json"}


def test_a_wrong_date_is_refused() -> None:
    with pytest.raises(StripeError, match="YYYY-MM-DD"):
        About(published="tomorrow")


def test_a_date_is_written_with_hyphens() -> None:
    assert About(published="20261130").published == "2026-11-30"
