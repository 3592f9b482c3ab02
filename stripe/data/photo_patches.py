"""The data set photo-patches: windows of photographs in colour; the class is the photograph."""

from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from math import prod
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int32, Int64, UInt8

from stripe.data.image_set import ImageSet
from stripe.data.photo_regions import REGIONS
from stripe.data.photographs import packaged_photograph, read_photograph
from stripe.data.registry import DATASETS
from stripe.data.splits import SPLITS
from stripe.errors import DataError

SIDE = 32
PER_CLASS = {"train": 350, "test": 100}
SEED = 0
#: Coordinates and gains are integers in 256ths, so that every machine computes the same patches.
UNIT = 256
#: BLAKE2 of the pixels of each split.
DIGESTS = {
    "train": "310b0cefbbb3eb46302314528ecfdb55",
    "test": "9354c24881a1b8fae5d6108ea45efccd",
}


@dataclass(frozen=True)
class Distortion:
    """Ranges from which the distortion of each patch is drawn uniformly.

    Parameters
    ----------
    turn
        Largest rotation in either direction, as the tangent of half its angle, 0 to 1: 1 is 90
        degrees.
    scale
        Least and largest number of pixels of the photograph per pixel of the patch.
    gain
        Largest relative change of a colour, drawn for each of red, green and blue.
    brightness
        Largest change of the three colours together, on the scale from 0 to 255.
    noise
        Largest change of a single value, on the scale from 0 to 255. The change is the difference
        of two uniform numbers.
    """

    turn: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    gain: float = 0.0
    brightness: int = 0
    noise: int = 0


#: Chosen by the accuracy of the bare ResNet20 (data/README.md).
DISTORTION = Distortion(turn=0.12, scale=(1.2, 1.8), gain=0.05, brightness=6, noise=6)


@dataclass(frozen=True)
class Windows:
    """Positions of patches in their photographs.

    Parameters
    ----------
    labels
        Index into `REGIONS`, shape (N,).
    centre
        Column and row of the centre of each patch, shape (N, 2).
    step
        Columns and rows of the photograph from a pixel of the patch to its right neighbour, shape
        (N, 2). The step to the neighbour below is the same vector, rotated by 90 degrees.
    """

    labels: Int64[np.ndarray, " n"]
    centre: Float64[np.ndarray, "n 2"]
    step: Float64[np.ndarray, "n 2"]

    def coordinates(self, chosen: Bool[np.ndarray, " n"]) -> Int64[np.ndarray, "2 m h w"]:
        """Return column and row of each pixel of the chosen patches, in 256ths of a pixel."""
        right = np.arange(SIDE) - (SIDE - 1) / 2
        down = right[:, None]
        (column, row), (along, across) = (
            vector[chosen].T[..., None, None] for vector in (self.centre, self.step)
        )
        columns = column + along * right - across * down
        rows = row + across * right + along * down
        at: Int64[np.ndarray, "2 m h w"] = np.floor(np.stack([columns, rows]) * UNIT).astype(int)
        return at


class _Draws:
    """Random numbers of a seed, the same with every version of NumPy.

    NumPy guarantees the bits of PCG64. The methods of its `Generator` may change (NEP 19).
    """

    def __init__(self, *seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def unit(self, *shape: int) -> Float64[np.ndarray, "..."]:
        """Draw from [0, 1)."""
        raw = np.asarray(self._bits.random_raw(prod(shape))) >> np.uint64(11)
        return raw.reshape(shape) * 2.0**-53

    def integers(self, low: int, high: int, *shape: int) -> Int32[np.ndarray, "..."]:
        """Draw from `low` to `high`, both included."""
        drawn = np.floor(low + (high - low + 1) * self.unit(*shape))
        return np.asarray(drawn, np.int32)

    def bytes(self, *shape: int) -> Int32[np.ndarray, "..."]:
        """Draw from 0 to 255."""
        raw = np.asarray(self._bits.random_raw(-(-prod(shape) // 8))).astype("<u8")
        return raw.view(np.uint8)[: prod(shape)].reshape(shape).astype(np.int32)


def draw_windows(split: str, distortion: Distortion, draws: _Draws) -> Windows:
    """Draw windows within the regions of a split. Each class occurs once in every 20 windows."""
    order = draws.unit(PER_CLASS[split], len(REGIONS)).argsort(axis=1, kind="stable")
    labels = order.reshape(-1)
    half = distortion.turn * (2 * draws.unit(labels.size) - 1)
    # Rational in the tangent, since the last bit of a sine depends on the machine.
    turned = np.stack([1 - half**2, 2 * half], axis=1) / (1 + half**2)[:, None]
    least, largest = distortion.scale
    scale = (least + (largest - least) * draws.unit(labels.size))[:, None]
    boxes = np.array([region.box(split) for region in REGIONS])[labels]
    margin = scale * SIDE * np.sqrt(0.5)  # half the diagonal: enough at every angle
    low, high = boxes[:, :2] + margin, boxes[:, 2:] - 1 - margin
    if (low > high).any():
        raise DataError(
            f"a patch must fit into the regions of {split}, and some are too small for a scale of "
            f"{largest}; lower the scale"
        )
    return Windows(labels, low + (high - low) * draws.unit(labels.size, 2), turned * scale)


def make_patches(
    split: str, distortion: Distortion = DISTORTION
) -> tuple[UInt8[np.ndarray, "n c h w"], Windows]:
    """Return the patches of a split, and their positions in the photographs.

    Parameters
    ----------
    split
        "train" or "test".
    distortion
        Ranges of the distortions.

    Raises
    ------
    DataError
        If scikit-image or scikit-learn is not installed, or the largest scale does not fit into
        the regions.
    """
    draws = _Draws(SEED, list(SPLITS).index(split))
    windows = draw_windows(split, distortion, draws)
    patches = np.empty((windows.labels.size, 3, SIDE, SIDE), np.uint8)
    for label, region in enumerate(REGIONS):
        chosen = windows.labels == label
        photograph = read_photograph(packaged_photograph(region.file)).numpy()
        values = _interpolate(photograph, windows.coordinates(chosen))
        patches[chosen] = _recolour(values, distortion, draws)
    return patches, windows


def _interpolate(
    photograph: UInt8[np.ndarray, "c height width"], at: Int64[np.ndarray, "2 n h w"]
) -> Int32[np.ndarray, "n c h w"]:
    """Interpolate between the four pixels around each position; round down."""
    width = photograph.shape[2]
    pixels = photograph.transpose(1, 2, 0).reshape(-1, 3).astype(np.int32)  # (H W, C)
    column, row = at // UNIT
    right, below = (at % UNIT).astype(np.int32)[..., None]
    first = row * width + column
    upper, lower = (
        pixels[place] * (UNIT - right) + pixels[place + 1] * right
        for place in (first, first + width)
    )
    values: Int32[np.ndarray, "n h w c"] = (upper * (UNIT - below) + lower * below) // UNIT**2
    return values.transpose(0, 3, 1, 2)


def _recolour(
    values: Int32[np.ndarray, "n c h w"], distortion: Distortion, draws: _Draws
) -> UInt8[np.ndarray, "n c h w"]:
    """Change the colours and the brightness of each patch, and add noise."""
    count, most = len(values), round(distortion.gain * UNIT)
    gain = draws.integers(UNIT - most, UNIT + most, count, 3, 1, 1)
    brightness = draws.integers(-distortion.brightness, distortion.brightness, count, 1, 1, 1)
    noise = draws.bytes(*values.shape) - draws.bytes(*values.shape)
    changed = values * gain // UNIT + brightness + noise * distortion.noise // UNIT
    recoloured: UInt8[np.ndarray, "n c h w"] = changed.clip(0, 255).astype(np.uint8)
    return recoloured


def as_image_set(
    name: str, patches: UInt8[np.ndarray, "n c h w"], labels: Int64[np.ndarray, " n"]
) -> ImageSet:
    """Return patches as a data set."""
    return ImageSet(
        name=name,
        images=torch.from_numpy(patches),
        labels=torch.from_numpy(labels),
        classes=tuple(region.name for region in REGIONS),
        mean=(0.4989, 0.4329, 0.4009),  # of the training patches
        std=(0.2813, 0.2387, 0.2491),
    )


@DATASETS.register("photo-patches")
def photo_patches(split: str, root: Path, download: bool) -> ImageSet:
    """Make one split of the patches: 7,000 of 32 x 32 for training and 2,000 for testing."""
    patches, windows = make_patches(split)
    if blake2b(patches.tobytes(), digest_size=16).hexdigest() != DIGESTS[split]:
        raise DataError(
            f"the {split} patches must have the digest {DIGESTS[split]}, and the photographs of "
            f"scikit-image {version('scikit-image')} and scikit-learn {version('scikit-learn')}, "
            f"read with Pillow {version('pillow')}, give others; install scikit-image 0.26.0, "
            "scikit-learn 1.9.1 and Pillow 13.0.0, with which photo-patches was made"
        )
    return as_image_set(f"photo-patches/{split}", patches, windows.labels)
