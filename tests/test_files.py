"""A file that a user asked for is there whole, or as it was: a full disk leaves no half of one."""

import errno
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from stripe import plots
from stripe.cli.app import save_table
from stripe.cli.options.load_network import write_frozen
from stripe.errors import StripeError
from stripe.files import drafted, saving
from stripe.gradcam import MeanCam

Writing = Callable[[Path], None]


@contextmanager
def full(room: int) -> Iterator[None]:
    """Let files grow to `room` bytes and no further, as a disk that is nearly full does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def picture(path: Path) -> None:
    ax = plt.figure().add_subplot()
    ax.imshow(np.random.default_rng(0).random((90, 90)))
    plots.save_figure(ax, path)


def table(path: Path) -> None:
    import pandas as pd

    save_table(pd.DataFrame({"number": np.arange(20_000)}), path)


def weights(path: Path) -> None:
    write_frozen(nn.Linear(200, 200), path, {"gates": []})


def mean_map(path: Path) -> None:
    noise = np.random.default_rng(0).random((120, 120))
    MeanCam(noise, np.stack([noise]), n_images=1, central_share=0.2, uniform_share=0.25).save(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.png", picture),
        ("a.pdf", picture),
        ("a.csv", table),
        ("a.safetensors", weights),
        ("a.npz", mean_map),
    ],
)
def test_a_full_disk_leaves_what_was_there(name: str, write: Writing, tmp_path: Path) -> None:
    path = tmp_path / name
    with full(2000), pytest.raises(StripeError, match=rf"cannot write .*{name}: File too large"):
        write(path)
    assert not list(tmp_path.iterdir())
    path.write_text("before")
    with full(2000), pytest.raises(StripeError, match="cannot write"):
        write(path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "before")]
    write(path)
    assert path.stat().st_size > 2000


def test_weights_come_back_with_what_was_frozen(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    layer = nn.Linear(3, 2)
    write_frozen(layer, tmp_path / "w.safetensors", {"gates": []})
    torch.testing.assert_close(load_file(tmp_path / "w.safetensors")["weight"], layer.weight.data)
    assert (tmp_path / "w.frozen.json").read_text() == '{\n "gates": []\n}\n'


def fail(draft: Path) -> None:
    draft.write_text("half")
    raise KeyError


def test_an_error_of_ones_own_leaves_no_draft(tmp_path: Path) -> None:
    for opened in (saving, drafted):
        with pytest.raises(KeyError), opened(tmp_path / "a.txt") as draft:
            fail(draft)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_made_and_a_link_is_refused(tmp_path: Path) -> None:
    with saving(tmp_path / "new" / "a.csv") as draft:
        assert draft.suffix == ".csv"
        draft.write_text("whole")
    assert (tmp_path / "new" / "a.csv").read_text() == "whole"
    (tmp_path / "new" / ".a.draft.csv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StripeError, match="is a link"), saving(tmp_path / "new" / "a.csv"):
        pass


def test_a_full_disk_without_the_name_of_a_file_is_one_line(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("stripe.cli.unknown_command", fill)
    assert run("verify", "r") == (1, "error: cannot write: No space left on device\n")
