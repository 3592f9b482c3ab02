"""Read untrusted image files at a bounded cost."""

import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from stripe.errors import DataError
from stripe.files import open_regular

#: The formats of the files that data sets hold. Pillow knows others, such as EPS, for which it
#: starts another program.
FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP", "GIF")
#: No image is decoded or resized to more pixels: in RGB they take 200 MB, and twice that to resize.
MOST_PIXELS = 1 << 26
#: A JPEG file is decoded at a fraction of its size if the result is at least this many times as
#: high and wide as needed, as in `Image.thumbnail`.
_GAP = 2
_THREADS = 4


@dataclass(frozen=True)
class ImageReader:
    """Read an image file in RGB. Call the reader with the path of the file.

    Parameters
    ----------
    covers
        Height and width that the image is resized to cover. Large JPEG files are therefore decoded
        at a fraction of their size. None: the image is not resized.
    whole
        Whether the whole image is resized to cover this size, and not a random crop of it.
    upright
        Rotate the image by its EXIF orientation.
    """

    covers: tuple[int, int] | None = None
    whole: bool = True
    upright: bool = False

    def __call__(self, path: str | Path) -> Image.Image:
        """Return the image.

        Raises
        ------
        DataError
            If the file is not a regular file, is not an image of a known format, or has too many
            pixels. The message names the file.
        """
        try:
            with open_regular(Path(path)) as file, warnings.catch_warnings():
                # Sizes are checked below, once it is known at which one JPEG is decoded.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(file, formats=FORMATS) as image:
                    return self._decoded(image, path)
        except DataError:
            raise
        except Exception as error:  # decoders raise many types for a damaged file
            raise DataError(
                f"{path} cannot be read as an image ({', '.join(FORMATS)}); remove or replace it"
            ) from error

    def _decoded(self, image: Image.Image, path: str | Path) -> Image.Image:
        width, height = image.size
        resized = 0.0
        if self.covers is not None:
            image.draft(None, (_GAP * self.covers[1], _GAP * self.covers[0]))
            if self.whole:
                scale = max(self.covers[0] / height, self.covers[1] / width)
                resized = scale * height * scale * width
        if max(image.width * image.height, resized) > MOST_PIXELS:
            into = f" and would be resized to {resized:.0f}" if resized > MOST_PIXELS else ""
            raise DataError(
                f"{path} must have at most {MOST_PIXELS} pixels, has {width} x {height}{into}; "
                "make it smaller or remove it"
            )
        image = _eight_bits(image, path)
        if self.upright:
            image = ImageOps.exif_transpose(image)
        return image.convert("RGB")

    def broken(self, paths: Iterable[str | Path]) -> list[str]:
        """Decode all files of `paths`, and return those that cannot be read."""
        paths = list(paths)
        with ThreadPoolExecutor(_THREADS) as pool:
            whole = list(pool.map(self._reads, paths))
        return [str(path) for path, reads in zip(paths, whole, strict=True) if not reads]

    def _reads(self, path: str | Path) -> bool:
        try:
            self(path)
        except DataError:
            return False
        return True


def _eight_bits(image: Image.Image, path: str | Path) -> Image.Image:
    """Take the upper 8 of 16 bits per pixel, as Pillow does for colours; it clips grey values."""
    deep_pgm = image.mode == "I" and image.format == "PPM"  # which Pillow scales to 16 bits
    if image.mode.startswith("I;16") or deep_pgm:
        grey = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        grey.info = image.info  # with the orientation
        return grey
    if image.mode in ("I", "F"):
        kind = "signed or 32-bit integers" if image.mode == "I" else "floating point numbers"
        raise DataError(
            f"{path} must have 8 or 16 bits per channel, has {kind}, whose range is not known; "
            "save it with 8 or 16 bits"
        )
    return image


def count_of_broken(files: Sequence[str]) -> str:
    """Return one line that counts the images that were left out, and names the first."""
    return f"images that cannot be read, left out: {len(files)}; the first is {files[0]}"
