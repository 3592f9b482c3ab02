"""Images for networks that others trained: rendered text, turned lines and pages, photographs."""

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from torch import Tensor

from stripe.data.photographs import packaged_photograph

_TEXT = """
attention stripe channel network the of and observation constant invoice total date page image
depends feature map 2024 17.50 Street No. 42 ratio paper Table Figure address Phone residual batch
norm robust noise train deep layer gate mean value street Amount Name Open
"""
#: What is written: words of papers and of invoices.
WORDS = tuple(_TEXT.split())

#: Photographs that the wheels of scikit-image and scikit-learn carry.
PHOTOGRAPHS = (
    *("skimage/astronaut.png", "skimage/coffee.png", "skimage/chelsea.png", "skimage/rocket.jpg"),
    *("sklearn/china.jpg", "sklearn/flower.jpg"),
)

#: Fonts that matplotlib brings, without those of symbols alone.
FONTS = sorted(
    path
    for path in (Path(matplotlib.get_data_path()) / "fonts/ttf").glob("*.ttf")
    if path.stem.startswith(("DejaVu", "STIXGeneral", "cmr", "cmss", "cmtt", "cmb"))
    and "Display" not in path.stem
)

Drawn = tuple[Image.Image, str]


def backgrounds() -> list[Image.Image]:
    """Return the photographs."""
    return [Image.open(packaged_photograph(name)).convert("RGB") for name in PHOTOGRAPHS]


def line(rng: np.random.Generator, size: tuple[int, int]) -> Drawn:
    """Return a line of dark text on light ground, degraded, and what it says."""
    width, height = size
    text = " ".join(rng.choice(WORDS, rng.integers(1, 4)))
    shades = rng.integers(170, 256, 3), rng.integers(0, 90, 3)
    canvas = Image.new("RGB", size, tuple(int(v) for v in shades[0]))
    font = _fitting(rng, text, width - 8, height - 8)
    left = int(rng.integers(2, max(3, width - int(font.getlength(text)) - 2)))
    ImageDraw.Draw(canvas).text((left, height // 2), text, tuple(int(v) for v in shades[1]), font,
                                anchor="lm")  # fmt: skip
    return degraded(rng, canvas), text


def page(rng: np.random.Generator, side: int, photos: list[Image.Image]) -> Image.Image:
    """Return text on a photograph, or lines on paper."""
    if rng.random() < 0.5:
        photo = photos[rng.integers(len(photos))]
        canvas = photo.resize((side, side))
        lines = int(rng.integers(1, 5))
    else:
        canvas = Image.new("RGB", (side, side), tuple(int(v) for v in rng.integers(200, 256, 3)))
        lines = int(rng.integers(4, 9))
    draw, top = ImageDraw.Draw(canvas), int(rng.integers(4, 20))
    for _ in range(lines):
        text = " ".join(rng.choice(WORDS, rng.integers(2, 6)))
        font = _fitting(rng, text, side - 20, int(rng.integers(12, 30)))
        shade = tuple(int(v) for v in rng.integers(0, 80, 3))
        box = draw.textbbox((10, top), text, font)
        if lines < 5:  # a label on the photograph
            draw.rectangle(box, tuple(int(v) for v in rng.integers(200, 256, 3)))
        draw.text((10, top), text, shade, font)
        top = int(box[3] + rng.integers(4, 24))
    return degraded(rng, canvas)


def degraded(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Blur an image, add noise, and compress it as JPEG."""
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.2))))
    noise = rng.normal(0, rng.uniform(0, 12), (image.height, image.width, 3))
    noisy = np.clip(np.asarray(image, dtype=np.float64) + noise, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noisy).save(stream, "JPEG", quality=int(rng.integers(30, 95)))
    return Image.open(stream).convert("RGB")


def tensor(images: list[Image.Image], mean: list[float], std: list[float]) -> Tensor:
    """Return images (B, 3, H, W), normalised."""
    stacked = np.stack([np.asarray(image) for image in images]).astype(np.float32) / 255
    normal = (stacked - np.array(mean, np.float32)) / np.array(std, np.float32)
    return torch.from_numpy(np.ascontiguousarray(normal.transpose(0, 3, 1, 2)))


def lines(count: int, seed: int) -> tuple[list[Image.Image], list[str]]:
    """Return lines of 48 x 320 and what they say."""
    rng = np.random.default_rng(seed)
    drawn = [line(rng, (320, 48)) for _ in range(count)]
    return [image for image, _ in drawn], [text for _, text in drawn]


def turned_lines(count: int, seed: int) -> tuple[list[Image.Image], list[int]]:
    """Return lines of 48 x 192, upright (0) or upside down (1)."""
    rng = np.random.default_rng(seed)
    turns = rng.integers(0, 2, count).tolist()
    drawn = [line(rng, (192, 48))[0] for _ in range(count)]
    return [image.rotate(180 * turn) for image, turn in zip(drawn, turns, strict=True)], turns


def pages(count: int, seed: int, side: int = 256) -> list[Image.Image]:
    """Return pages and photographs with text."""
    rng, photos = np.random.default_rng(seed), backgrounds()
    return [page(rng, side, photos) for _ in range(count)]


def turned_pages(count: int, seed: int) -> tuple[list[Image.Image], list[int]]:
    """Return pages of 224 x 224, turned by 0, 90, 180 or 270 degrees: classes 0 to 3."""
    turns = np.random.default_rng(seed + 1).integers(0, 4, count).tolist()
    drawn = pages(count, seed, 224)
    return [image.rotate(-90 * turn) for image, turn in zip(drawn, turns, strict=True)], turns


def _fitting(
    rng: np.random.Generator, text: str, width: int, height: int
) -> ImageFont.FreeTypeFont:
    """Return a font at the largest size at which a text fits."""
    path, size = str(FONTS[rng.integers(len(FONTS))]), height
    made: Callable[[int], ImageFont.FreeTypeFont] = lambda s: ImageFont.truetype(path, s)  # noqa: E731
    while size > 8 and made(size).getlength(text) > width:
        size -= 1
    return made(size)
