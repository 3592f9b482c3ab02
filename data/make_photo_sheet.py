"""Draw `photo-patches.jpg`: a row for each class, training patches before test patches.

python data/make_photo_sheet.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

from stripe.data import load_dataset
from stripe.data.photo_regions import REGIONS

#: Patches of each class, and pixels between the two splits.
SHOWN = {"train": 12, "test": 6}
SPACE = 8


def rows(split: str) -> np.ndarray:
    """Return the first patches of each class, (classes * 32, SHOWN * 32, 3)."""
    dataset = load_dataset("photo-patches", split)
    grid = np.stack([
        dataset.images[dataset.labels == label][: SHOWN[split]].numpy()
        for label in range(len(REGIONS))
    ])  # fmt: skip
    classes, shown, colours, height, width = grid.shape
    lines = grid.transpose(0, 3, 1, 4, 2)  # (classes, H, shown, W, C)
    return lines.reshape(classes * height, shown * width, colours)


def main(target: Path) -> None:
    """Write the picture."""
    train, test = rows("train"), rows("test")
    between = np.full((len(train), SPACE, 3), 255, np.uint8)
    Image.fromarray(np.concatenate([train, between, test], axis=1)).save(target, quality=80)
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(__file__).with_name("photo-patches.jpg"))
