"""Make `fashion-mini.parquet`, the embedded data set, from the four archives of Fashion-MNIST.

    python data/make_fashion_mini.py /usr/share/datasets/fashion-mnist

The same archives give the same images in the same order; the seed is below.
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CLASSES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
PER_CLASS = {"train": 700, "test": 200}
ARCHIVES = {"train": "train", "test": "t10k"}
SEED = 0


def read_idx(path: Path, header: int) -> np.ndarray:
    """Read the bytes after the header of a gzipped IDX file."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def balanced(labels: np.ndarray, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Choose `per_class` indices of each class, so that every ten in a row hold all ten classes."""
    chosen = [
        rng.choice(np.flatnonzero(labels == label), per_class, replace=False)
        for label in range(len(CLASSES))
    ]
    rows = np.stack(chosen, axis=1)  # (per_class, classes)
    return rng.permuted(rows, axis=1).reshape(-1)


def split_table(source: Path, split: str, rng: np.random.Generator) -> pa.Table:
    """Return the chosen part of one split as a table."""
    prefix = ARCHIVES[split]
    images = read_idx(source / f"{prefix}-images-idx3-ubyte.gz", header=16).reshape(-1, 784)
    labels = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz", header=8)
    index = balanced(labels, PER_CLASS[split], rng)
    return pa.table(
        {
            "split": pa.array([split] * len(index)).dictionary_encode(),
            "index": pa.array(index.astype(np.int32)),
            "label": pa.array(labels[index].astype(np.int8)),
            "image": pa.array([images[row].tobytes() for row in index], pa.binary(784)),
        }
    )


def main(source: Path, target: Path) -> None:
    """Write the data set."""
    rng = np.random.default_rng(SEED)
    table = pa.concat_tables([split_table(source, split, rng) for split in PER_CLASS])
    table = table.replace_schema_metadata({"classes": "|".join(CLASSES), "licence": "MIT"})
    pq.write_table(
        table.combine_chunks(),
        target,
        compression="zstd",
        compression_level=22,
        use_dictionary=["split"],
        data_page_size=1 << 23,
        write_page_checksum=True,
    )
    print(f"{target}: {table.num_rows} images, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python data/make_fashion_mini.py FOLDER_WITH_THE_FOUR_ARCHIVES")
    main(Path(sys.argv[1]), Path(__file__).with_name("fashion-mini.parquet"))
