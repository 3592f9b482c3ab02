"""Train bare, SE and ASR(SE) ResNet20s under noise, three seeds each (Table 8 at a small scale).

    python -m benchmarks.noise_training

Each run is the demo's: fashion-mini, 7 epochs. A run that the result holds already is not run
again, so that it can be interrupted.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from stripe.experiments.demo import EPOCHS, demo_config
from stripe.train import train
from stripe.train.device import hardware, resolve_device

NETWORKS: dict[str, dict[str, Any]] = {
    "bare": {"attention": None},
    "se": {"attention": "se"},
    "asr(se)": {"attention": None, "asr": "se"},
}
NOISES = ("constant:0.8,0.8", "random:0.3,0.3", None)


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/noise_training.json"))
    arguments = parser.parse_args()
    runs: list[dict[str, Any]] = []
    if arguments.out.exists():
        runs = json.loads(arguments.out.read_text())["runs"]
    done = {(run["network"], run["noise"], run["seed"]) for run in runs}
    for noise, seed, network in product(NOISES, range(arguments.seeds), NETWORKS):
        if (network, noise or "none", seed) in done:
            continue
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            base = demo_config(
                out=Path(folder) / "run", seed=seed, device="auto", epochs=arguments.epochs
            )
            config = replace(base, record=False, noise=noise, **NETWORKS[network])
            result = train(config, progress=False)
        runs.append({
            "network": network,
            "noise": noise or "none",
            "seed": seed,
            "last": result.last,
            "best": result.best,
            "minutes": round((time.perf_counter() - started) / 60, 2),
        })  # fmt: skip
        print(runs[-1], flush=True)
        found = {
            "epochs": arguments.epochs,
            "hardware": hardware(resolve_device("auto")),
            "runs": runs,
        }
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    table = pd.DataFrame(runs).groupby(["noise", "network"], sort=False)["last"]
    print(table.agg(["mean", "std", "count"]).round(4).to_string())


if __name__ == "__main__":
    main()
