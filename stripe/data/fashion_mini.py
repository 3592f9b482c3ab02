"""The bundled data set: a class-balanced part of Fashion-MNIST."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from stripe.data.image_set import ImageSet
from stripe.data.registry import DATASETS
from stripe.errors import DataError

FILE = "fashion-mini.parquet"
SIDE = 28


def bundled_file() -> Path:
    """Return the path of the data: next to this file in a wheel, in `data/` in a checkout.

    Raises
    ------
    DataError
        If the file is in neither place.
    """
    here = Path(__file__).parent
    places = [here / FILE, here.parents[1] / "data" / FILE]
    for place in places:
        if place.is_file():
            return place
    raise DataError(
        f"the bundled data set must be at {places[0]} or {places[1]}, and is at neither; install "
        "the package again, or make the file with data/make_fashion_mini.py"
    )


@DATASETS.register("fashion-mini")
def fashion_mini(split: str, root: Path, download: bool) -> ImageSet:
    """Load one split of the bundled data set: 7,000 images for training, 2,000 for testing."""
    path = bundled_file()
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is damaged ({error}); restore it, or make it with data/make_fashion_mini.py"
        ) from error
    classes = tuple(table.schema.metadata[b"classes"].decode().split("|"))
    table = table.filter(pc.equal(pc.cast(table["split"], pa.string()), split))
    pixels = np.frombuffer(b"".join(table["image"].to_pylist()), np.uint8)
    return ImageSet(
        name=f"fashion-mini/{split}",
        images=torch.from_numpy(pixels.reshape(-1, 1, SIDE, SIDE).copy()),
        labels=torch.from_numpy(table["label"].to_numpy().astype(np.int64)),
        classes=classes,
        mean=(0.2860,),  # of all 60,000 training images of Fashion-MNIST
        std=(0.3530,),
    )
