"""The photographs that the patches come from."""

import sys
from pathlib import Path

import pytest

from stripe.data import photographs
from stripe.data.photographs import packaged_photograph, read_photograph
from stripe.errors import DataError


def test_photographs_are_found_without_importing_their_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] in ("skimage", "sklearn")]:
        monkeypatch.delitem(sys.modules, module)
    assert read_photograph(packaged_photograph("skimage/rocket.jpg")).shape == (3, 427, 640)
    assert read_photograph(packaged_photograph("sklearn/flower.jpg")).shape == (3, 427, 640)
    assert not {"skimage", "sklearn"} & set(sys.modules)


@pytest.mark.parametrize("package", ["skimage", "sklearn"])
def test_a_missing_package_names_the_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError, match=rf"{package} is not installed; pip install .*\[style\]"):
        packaged_photograph(f"{package}/any.png")


def test_a_folder_that_an_uninstalled_package_left_is_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leftover" / "data").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match="leftover is not installed"):
        packaged_photograph("leftover/any.png")


def test_a_file_that_the_wheel_does_not_carry_is_named() -> None:
    with pytest.raises(DataError, match=r"skimage must carry eagle\.png"):
        packaged_photograph("skimage/eagle.png")  # fetched by pooch, which is not allowed


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(packaged_photograph("skimage/coffee.png").read_bytes()[:1000])
    with pytest.raises(DataError, match=r"damaged\.png cannot be read as an image"):
        read_photograph(damaged)


def test_grey_photographs_have_three_colours() -> None:
    pixels = read_photograph(packaged_photograph("skimage/moon.png"))
    assert pixels.shape == (3, 512, 512)
    assert (pixels[0] == pixels[1]).all()
    assert set(photographs.FOLDERS) == {"skimage", "sklearn"}
