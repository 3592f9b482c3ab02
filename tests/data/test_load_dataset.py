"""Data sets by name."""

from pathlib import Path

import pytest

from stripe.data import load_dataset
from stripe.errors import UnknownNameError


def test_a_folder_in_the_place_of_a_name_is_told_how_to_be_given(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=rf"a folder of images is folder:{tmp_path} for a"):
        load_dataset(str(tmp_path), "test")
    with pytest.raises(UnknownNameError, match=r"choose one of: cifar10, .*stl10\Z"):
        load_dataset(str(tmp_path / "nothing"), "test")
