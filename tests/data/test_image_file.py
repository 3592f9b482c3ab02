"""Image files that anybody may have made: read at a bounded cost, or named."""

import os
import re
import signal
import zlib
from contextlib import suppress
from pathlib import Path
from struct import pack

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image
from resources import peak_mib

import stripe
from stripe.data import StreamLoader, image_folder
from stripe.data.image_file import ImageReader
from stripe.data.photographs import read_photograph
from stripe.errors import DataError
from stripe.train import TrainConfig, train


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_16_bits_per_pixel_are_scaled_and_not_clipped(tmp_path: Path, ending: str) -> None:
    values = np.random.default_rng(0).integers(0, 1 << 16, (8, 9), dtype=np.uint16)
    if ending == "pgm":  # of which Pillow writes 8 bits alone
        (tmp_path / "deep.pgm").write_bytes(b"P5 9 8 65535\n" + values.astype(">u2").tobytes())
    else:
        Image.fromarray(values).save(tmp_path / f"deep.{ending}")
    read = np.asarray(ImageReader()(tmp_path / f"deep.{ending}"))
    assert read.shape == (8, 9, 3)
    np.testing.assert_allclose(read / 255, np.repeat(values[..., None], 3, 2) / 65535, atol=1 / 255)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pixels_of_an_unknown_range_are_refused(tmp_path: Path, kind: type) -> None:
    Image.fromarray(np.ones((8, 9), kind)).save(tmp_path / "deep.tif")
    with pytest.raises(DataError, match=r"deep\.tif must have 8 or 16 bits per channel, has "):
        ImageReader()(tmp_path / "deep.tif")


def png_of_zeros(path: Path, width: int, height: int) -> None:
    """Write a grey PNG of any size in little memory."""
    packer, rows = zlib.compressobj(9), b""
    for _ in range(height):
        rows += packer.compress(bytes(1 + width))
    chunks = [
        (b"IHDR", pack(">2I5B", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", rows + packer.flush()),
        (b"IEND", b""),
    ]
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        content += pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))
    path.write_bytes(content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 4)):
        for number in range(count):
            folder = tmp_path / "set" / split / f"n{number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "set"


@pytest.mark.parametrize("size", [(1, 300_000), (300_000, 1)])
def test_an_image_that_grows_beyond_bounds_is_named(size: tuple[int, int], root: Path) -> None:
    bad = root / "val/n0/long.png"
    png_of_zeros(bad, *size)
    assert bad.stat().st_size < 4000
    with pytest.raises(DataError, match=r"long\.png must have at most 67108864 pixels, has"):
        list(StreamLoader(root, "test", 4, size=224, workers=0))
    with pytest.raises(DataError, match=r"long\.png must have at most"):
        image_folder(root / "val", (224, 224))[2]
    with pytest.raises(DataError, match=r"long\.png must have at most"):
        read_photograph(bad, (256, 256))


@pytest.mark.slow  # two processes
def test_an_image_of_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    png_of_zeros(tmp_path / "large.png", 13_000, 13_000)
    code = """
from stripe.data.image_file import ImageReader
from stripe.errors import DataError
try:
    ImageReader((256, 256))({path!r})
except DataError as error:
    print(error)
"""
    said, used = peak_mib(code.format(path=str(tmp_path / "large.png")))
    assert "large.png must have at most 67108864 pixels, has 13000 x 13000; make it" in said
    without, base = peak_mib(code.format(path=str(tmp_path / "missing.png")))
    assert "missing.png cannot be read" in without
    assert used - base < 100


def test_a_large_jpeg_is_decoded_at_a_fraction(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    small.resize((3000, 2000), Image.Resampling.BICUBIC).save(path, quality=95)
    drafted = ImageReader((100, 100))(path)
    assert drafted.size == (375, 250)  # an eighth, which is at least twice what is used
    whole = ImageReader()(path)
    assert whole.size == (3000, 2000)
    reduced = whole.resize((375, 250), Image.Resampling.BOX)
    difference = np.abs(np.asarray(drafted, np.float32) - np.asarray(reduced, np.float32))
    assert difference.mean() < 3
    assert ImageReader((1100, 1100))(path).size == (3000, 2000)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/zero", path), os.mkdir])
def test_only_regular_files_are_read(make: object, root: Path) -> None:
    assert callable(make)
    make(root / "val/n0/x.png")
    with pytest.raises(DataError, match=r"x\.png cannot be read as an image"):
        ImageReader()(root / "val/n0/x.png")
    os.symlink(root / "val/n0/0.png", root / "val/n0/link.png")
    assert ImageReader()(root / "val/n0/link.png").size == (50, 40)  # to a file: as sets are kept


@pytest.fixture
def broken(root: Path) -> Path:
    (root / "val/n0/0.png").write_bytes(b"no picture")
    whole = (root / "train/n1/1.png").read_bytes()
    (root / "train/n1/1.png").write_bytes(whole[: len(whole) // 2])
    os.mkfifo(root / "train/n0/pipe.png")
    return root


def test_broken_images_are_left_out_on_request(broken: Path) -> None:
    with pytest.raises(DataError, match=r"n0/pipe\.png cannot be read"):
        list(StreamLoader(broken, "train", 9, size=16, workers=0))
    loader = StreamLoader(broken, "train", 9, size=16, workers=0, skip_broken=True, indices=True)
    assert [Path(path).name for path in loader.broken] == ["pipe.png", "1.png"]
    (images, labels, indices), *_ = list(loader)  # type: ignore[misc]
    assert labels.tolist() == [0, 0, 0, 1, 1]
    assert indices.tolist() == [0, 1, 2, 3, 4]
    assert images.shape == (5, 3, 16, 16)
    folder = image_folder(broken / "val", (16, 16), skip_broken=True)
    assert [label for _, label in folder] == [0, 1, 1]  # type: ignore[attr-defined]
    flat = image_folder(broken / "val/n0", (16, 16), skip_broken=True)
    assert len(flat) == 1  # type: ignore[arg-type]
    assert flat.broken == [str(broken / "val/n0/0.png")]  # type: ignore[attr-defined]


def test_a_folder_of_broken_images_alone_is_an_error(broken: Path) -> None:
    (broken / "val/n0/2.png").unlink()
    with pytest.raises(DataError, match="n0 holds 1 images and none can be read"):
        image_folder(broken / "val/n0", skip_broken=True)


def test_a_training_counts_what_it_left_out(
    broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = TrainConfig(
        dataset=f"folder:{broken}", image_size=16, epochs=1, batch_size=2, workers=0,
        skip_broken=True, device="cpu", out=tmp_path / "run",
    )  # fmt: skip
    result = train(config)
    assert "images that cannot be read, left out: 3; the first is" in capsys.readouterr().err
    assert result.history["test_accuracy"].iloc[0] in (0, 1 / 3, 2 / 3, 1)


def test_a_command_counts_what_it_left_out(broken: Path, tmp_path: Path, run: object) -> None:
    assert callable(run)
    subject = ("--model", "resnet20", "--attention", "se", "--num-classes", "2")
    images = ("--images", broken / "val", "--image-size", "16", "--out", tmp_path / "r")
    code, said = run("record", *subject, *images)
    assert code == 1
    assert "0.png cannot be read as an image" in said
    code, said = run("record", *subject, *images, "--skip-broken")
    assert code == 0, said
    assert "left out: 1; the first is" in said


def test_no_other_program_is_started(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow starts Ghostscript for an EPS file, whatever its name; a false one leaves a trace."""
    programs, trace = tmp_path / "bin", tmp_path / "started"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\necho started >> {trace}\nexit 1\n")
    (programs / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    bad = root / "val/n0/0.png"
    Image.new("RGB", (4, 4)).save(bad, "EPS")

    def found() -> bool:
        monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # it looks once in a process
        return trace.exists()

    with suppress(Exception), Image.open(bad) as image:  # as without a list of formats
        image.load()
    assert found()
    trace.unlink()
    for read in (ImageReader(), ImageReader(covers=(8, 8))):
        with pytest.raises(DataError, match=r"0\.png cannot be read as an image \(JPEG, PNG"):
            read(bad)
    assert ImageReader().broken([bad]) == [str(bad)]
    assert not found()


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".jpg", "JPEG"), (".png", "PNG"), (".ppm", "PPM"), (".pgm", "PPM"), (".bmp", "BMP"),
     (".tiff", "TIFF"), (".webp", "WEBP"), (".png", "GIF")],
)  # fmt: skip
def test_the_formats_of_data_sets_are_read(suffix: str, kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"a{suffix}"
    image = Image.new("L" if suffix == ".pgm" else "RGB", (6, 5), 200)
    image.save(file, kind)
    assert ImageReader()(file).size == (6, 5)


def test_every_place_that_opens_images_names_their_formats() -> None:
    sources = [file.read_text() for file in Path(stripe.__file__).parent.rglob("*.py")]
    calls = [call for source in sources for call in re.findall(r"Image\.open\(.*", source)]
    assert len(calls) == 2
    assert all("formats=" in call for call in calls)


@pytest.mark.slow
def test_a_worker_that_the_kernel_kills_is_one_line(root: Path, tmp_path: Path) -> None:
    class Killing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for child in torch.multiprocessing.active_children():
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
            y: torch.Tensor = self.layer(x.mean((2, 3)))
            return y

    config = TrainConfig(
        dataset=f"folder:{root}", image_size=16, epochs=3, batch_size=1, workers=1, device="cpu",
        out=tmp_path / "run",
    )  # fmt: skip
    with pytest.raises(DataError, match=r"a process that reads images died, .* --workers"):
        train(config, model=Killing(), progress=False)
