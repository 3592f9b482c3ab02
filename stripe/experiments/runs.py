"""Runs by what they are: the same configuration is one directory, whichever table asks."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

import pandas as pd

from stripe.train import TrainConfig
from stripe.train.run import WEIGHTS

State = Literal["finished", "failed", "begun", "missing"]
#: Where a run that failed leaves what went wrong.
ERROR = "error.txt"


@dataclass(frozen=True)
class StoredRun:
    """A run, done or not, in a store of runs.

    Parameters
    ----------
    config
        What is trained, with its directory.
    """

    config: TrainConfig

    @property
    def state(self) -> State:
        """How far it is."""
        folder = self.config.out
        if (folder / WEIGHTS).exists():
            return "finished"
        if (folder / ERROR).exists():
            return "failed"
        return "begun" if (folder / "config.json").exists() else "missing"

    @property
    def error(self) -> str:
        """The last line of what went wrong."""
        return (self.config.out / ERROR).read_text().strip().splitlines()[-1]

    @property
    def history(self) -> pd.DataFrame:
        """The log of a finished run."""
        return pd.read_parquet(self.config.out / "history.parquet")


def stored(config: TrainConfig, store: Path) -> StoredRun:
    """Return the run of a configuration in a store; its directory is named after what it is."""
    decides = {n: v for n, v in config.to_json().items() if n not in config.INCIDENTAL}
    address = sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
    return StoredRun(replace(config, out=store / f"{config.backbone}-{address}"))
