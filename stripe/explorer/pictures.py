"""Small pictures of the recorded images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from stripe.errors import StripeError

#: Side of a picture in pixels.
SIDE = 48


class Pictures:
    """Thumbnails of images, by their index in a recording.

    Parameters
    ----------
    images
        An object with a length, and with images by index: an array (N, H, W), (N, C, H, W) or (N,
        H, W, C) of bytes or floats; a data set of images or of (image, label); or a list of PIL
        images. The range of each float image is stretched to that of bytes.
    """

    def __init__(self, images: Any) -> None:
        images = getattr(images, "images", images)  # of a stripe.data.ImageSet
        by_index = hasattr(images, "__getitem__") and hasattr(images, "__len__")
        if not by_index or isinstance(images, str):
            raise StripeError(
                "images must be an array or a data set that gives the image of an index, got "
                f"{type(images).__name__}; stripe.data.recorded_images(recording) gives those of a "
                "named data set"
            )
        self.images = images

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def thumbnails(self, indices: Sequence[int]) -> UInt8[np.ndarray, "images side side colour"]:
        """Return square thumbnails in RGB, grey for an image that does not exist."""
        found = np.full((len(indices), SIDE, SIDE, 3), 230, np.uint8)
        for place, index in enumerate(indices):
            if 0 <= index < len(self):
                found[place] = _square(self.images[index])
        return found


def _square(image: Any) -> np.ndarray:
    """Return the centre of one image at the size of a thumbnail."""
    pixels = np.asarray(image[0] if isinstance(image, tuple | list) else image)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4) and pixels.shape[2] not in (1, 3, 4):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3:
        raise StripeError(
            f"an image has height, width and at most one axis of colours, got {pixels.shape}"
        )
    pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[:, :, :3]
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _resized(_as_bytes(pixels[top : top + side, left : left + side]))


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint8:
        return pixels
    low, high = float(pixels.min()), float(pixels.max())
    scale = 255 / (high - low) if high > low else 0.0
    return ((pixels - low) * scale).astype(np.uint8)


def _resized(pixels: np.ndarray) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX))
