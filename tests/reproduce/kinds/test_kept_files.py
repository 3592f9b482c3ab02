"""Files that a measurement left beside its numbers, damaged or larger than it can have written."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stripe.errors import StripeError
from stripe.reproduce.kinds.cam import _read
from stripe.reproduce.kinds.style import PHOTOGRAPHS, Stylised, _picture
from stripe.reproduce.store.measurement import kept_file
from stripe.train.manifest import digests_of, write_manifest


def test_a_map_that_would_unpack_to_more_than_memory_should_hold(tmp_path: Path) -> None:
    file = tmp_path / "cam.npz"
    with ZipFile(file, "w", ZIP_DEFLATED) as archive, archive.open("mean.npy", "w") as entry:
        for _ in range(257):
            entry.write(bytes(1 << 20))
    assert file.stat().st_size < 1 << 20
    with pytest.raises(StripeError, match=r"cam\.npz is damaged: it unpacks to 269484032 bytes"):
        _read(file)


def test_a_picture_of_more_pixels_than_a_style_network_draws(tmp_path: Path) -> None:
    file = tmp_path / "stylised-0.png"
    Image.new("1", (1, (1 << 24) + 1)).save(file)
    with pytest.raises(StripeError, match=r"stylised-0\.png is damaged: it has 1 x 16777217 pix"):
        _picture(file)


@pytest.mark.parametrize("content", [b"", b"PK\3\4 and no more"])
def test_files_of_other_forms(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "cam.npz"
    file.write_bytes(content)
    for read in (_read, _picture):
        with pytest.raises(StripeError, match=r"cam\.npz is damaged: .*; remove its folder"):
            read(file)
    with pytest.raises(StripeError, match="damaged"), kept_file(file) as opened:
        pd.read_csv(opened).set_index("depth")


def test_a_picture_that_was_edited(tmp_path: Path) -> None:
    """The manifest of a measurement names its pictures."""
    drawn = np.zeros((4, 5, 3), dtype=np.uint8)
    for name in Stylised.LEAVES:
        Image.fromarray(drawn).save(tmp_path / name)
    write_manifest(tmp_path, digests_of(tmp_path, Stylised.LEAVES))
    assert len(Stylised.LEAVES) == 2 * PHOTOGRAPHS
    np.testing.assert_array_equal(_picture(tmp_path / "photograph-6.png"), drawn)
    Image.fromarray(drawn + 1).save(tmp_path / "photograph-6.png")
    with pytest.raises(StripeError, match=r"photograph-6\.png"):
        _picture(tmp_path / "photograph-6.png")
