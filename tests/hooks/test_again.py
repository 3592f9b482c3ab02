"""Run a script again: nothing that was recorded is lost, and no training before it is found out."""

import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor, nn

import stripe
from stripe.errors import RecordingError, StripeError
from stripe.recording import open_recording

GATE = "1.gate"


def record(model: nn.Module, path: Path, images: Tensor, **options: bool) -> stripe.Recording:
    return stripe.record(model, [images], path, progress=False, **options)


@pytest.fixture
def held(small_model: nn.Sequential, images: Tensor, tmp_path: Path) -> Path:
    """Return the directory of a recording of epoch 0."""
    record(small_model, tmp_path / "r", images)
    return tmp_path / "r"


def test_a_recorder_refuses_what_is_recorded_when_it_is_made(
    small_model: nn.Sequential, held: Path
) -> None:
    with pytest.raises(RecordingError, match=r"holds epoch 0; resume=True .*overwrite=True moves"):
        stripe.Recorder(small_model, held)


def test_resume_goes_on(small_model: nn.Sequential, images: Tensor, held: Path) -> None:
    with stripe.Recorder(small_model, held, resume=True) as recorder:
        recorder.record([images], epoch=1, progress=False)
    assert open_recording(held).epochs == [0, 1]
    with pytest.raises(RecordingError, match="holds epochs 0 to 1; resume=True"):
        stripe.Recorder(small_model, held)


def test_the_same_epoch_again_names_both_remedies(
    small_model: nn.Sequential, images: Tensor, held: Path
) -> None:
    with stripe.Recorder(small_model, held, resume=True) as recorder:
        recorder.record([images], epoch=4, progress=False)
    with (
        stripe.Recorder(small_model, held, resume=True) as recorder,
        pytest.raises(
            RecordingError, match=r"next free epoch with epoch=5 .*, or .* with overwrite=True"
        ),
    ):
        recorder.record([images], epoch=0, progress=False)


def test_no_epoch_that_is_overwritten_is_listed(
    small_model: nn.Sequential, images: Tensor, held: Path
) -> None:
    with stripe.Recorder(small_model, held, overwrite=True) as recorder:
        assert recorder.epochs == []
        assert not recorder.is_current(0)
        recorder.record([images], epoch=3, progress=False)
        assert recorder.epochs == [3]


def test_overwrite_moves_aside_and_deletes_nothing(
    small_model: nn.Sequential, images: Tensor, held: Path
) -> None:
    before = open_recording(held).values(GATE)
    for _ in range(2):
        recording = record(small_model, held, images + 1, overwrite=True)
    assert recording.epochs == [0]
    first, second = (held.with_name(f"r.old-{number}") for number in (1, 2))
    np.testing.assert_array_equal(open_recording(first).values(GATE), before)
    np.testing.assert_array_equal(open_recording(second).values(GATE), recording.values(GATE))
    assert not np.array_equal(before, recording.values(GATE))
    for path in (first, second, held):
        assert len(open_recording(path).verify()) == 1


def test_overwrite_without_a_recording_records(
    small_model: nn.Sequential, images: Tensor, tmp_path: Path
) -> None:
    record(small_model, tmp_path / "new", images, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.filterwarnings("ignore:the loader does not tell")
def test_an_overwrite_that_fails_puts_the_recording_back(
    small_model: nn.Sequential, images: Tensor, held: Path
) -> None:
    def broken() -> Iterator[Tensor]:
        yield images
        raise KeyError

    with (
        pytest.raises(KeyError),
        stripe.Recorder(small_model, held, overwrite=True) as recorder,
    ):
        recorder.record(broken(), epoch=0, progress=False)
    with pytest.raises(StripeError, match="no gates were found"):
        record(nn.Conv2d(1, 2, 3), held, images, overwrite=True)
    assert [path.name for path in held.parent.iterdir()] == ["r"]
    assert open_recording(held).verify()["rows"].tolist() == [10]


def test_what_is_being_written_is_not_moved(
    small_model: nn.Sequential, images: Tensor, held: Path
) -> None:
    with (held / "LOCK").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RecordingError, match="takes one writer at a time"):
            record(small_model, held, images, overwrite=True)
    assert open_recording(held).epochs == [0]


def test_nothing_is_moved_through_a_link_or_but_a_recording(
    small_model: nn.Sequential, images: Tensor, held: Path
) -> None:
    link = held.with_name("link")
    link.symlink_to(held)
    with pytest.raises(StripeError, match="is a link"):
        record(small_model, link, images, overwrite=True)
    foreign = held.with_name("foreign")
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("")
    with pytest.raises(RecordingError, match=r"holds thesis\.tex"):
        record(small_model, foreign, images, overwrite=True)
    assert {path.name for path in held.parent.iterdir()} == {"r", "link", "foreign"}


def test_the_command_refuses_before_it_looks_for_a_network(
    held: Path, run: Callable[..., tuple[int, str]]
) -> None:
    command = ["record", "--model", "no-such-network", "--images", "fashion-mini", "--out", held]
    code, said = run(*command)
    assert (code, "next free epoch with epoch=1 (--epoch 1), or move" in said) == (1, True)
    code, said = run(*command, "--overwrite")
    assert (code, "no-such-network" in said) == (1, True)
    assert [path.name for path in held.parent.iterdir()] == ["r"]


def test_the_command_moves_a_recording_aside(
    tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    (tmp_path / "images").mkdir()
    for number in range(2):
        Image.new("RGB", (32, 32), (80 * number, 0, 0)).save(tmp_path / f"images/{number}.png")
    network = ["--model", "resnet11", "--attention", "se", "--image-size", 32]
    command = ["record", *network, "--images", tmp_path / "images", "--device", "cpu"]
    for extra in ([], ["--epoch", 1], ["--overwrite"]):
        code, said = run(*command, "--out", tmp_path / "r", *extra)
        assert code == 0, said
    assert open_recording(tmp_path / "r").epochs == [0]
    assert open_recording(tmp_path / "r.old-1").epochs == [0, 1]
