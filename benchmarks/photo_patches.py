"""Train the bare ResNet20 on photo-patches of several difficulties (data/README.md).

    python -m benchmarks.photo_patches --seeds 3 chosen

Each run is the demo's, without attention: 7 epochs. A run that the result holds already is not run
again, so that the benchmark can be interrupted.
"""

import argparse
import json
import tempfile
import time
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

from stripe.data import ImageSet
from stripe.data.photo_patches import DISTORTION, Distortion, as_image_set, make_patches
from stripe.data.registry import DATASETS
from stripe.demos.demo import demo_config
from stripe.train import train
from stripe.train.device import hardware, resolve_device

DIFFICULTIES = {
    "none": Distortion(scale=(1.5, 1.5)),
    "chosen": DISTORTION,
    "stronger": Distortion(turn=0.25, scale=(1.2, 1.8), gain=0.1, brightness=12, noise=10),
    "none, small windows": Distortion(),
    "stronger, small windows": Distortion(
        turn=0.25, scale=(0.75, 1.25), gain=0.1, brightness=12, noise=10
    ),
}


def register(difficulty: str) -> str:
    """Register the patches of a difficulty as a data set, and return its name."""
    name = f"photo-patches-{difficulty}"

    @DATASETS.register(name)
    def load(split: str, root: Path, download: bool) -> ImageSet:
        patches, windows = make_patches(split, DIFFICULTIES[difficulty])
        return as_image_set(f"{name}/{split}", patches, windows.labels)

    return name


def measure(difficulty: str, seed: int) -> dict[str, Any]:
    """Return the test accuracy of one training."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        config = replace(
            demo_config(out=Path(folder) / "run", seed=seed, device="auto"),
            attention=None,
            record=False,
            dataset=register(difficulty),
        )
        result = train(config, progress=False)
    return {
        "difficulty": difficulty,
        "distortion": asdict(DIFFICULTIES[difficulty]),
        "seed": seed,
        "last": result.last,
        "best": result.best,
        "minutes": round((time.perf_counter() - started) / 60, 2),
    }


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("difficulties", nargs="*", default=["chosen"], choices=DIFFICULTIES)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/photo_patches.json"))
    arguments = parser.parse_args()
    found: dict[str, Any] = {"hardware": hardware(resolve_device("auto")), "runs": []}
    if arguments.out.exists():
        found = json.loads(arguments.out.read_text())
    done = {(run["difficulty"], run["seed"]) for run in found["runs"]}
    for difficulty, seed in product(arguments.difficulties, range(arguments.seeds)):
        if (difficulty, seed) not in done:
            found["runs"].append(measure(difficulty, seed))
            print(found["runs"][-1], flush=True)
            arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
