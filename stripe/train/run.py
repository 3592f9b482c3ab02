"""The directory of a run: what it was, and how it went."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from stripe.errors import StripeError
from stripe.train.config import TrainConfig
from stripe.versions import command_line, library_versions


def open_run(config: TrainConfig) -> None:
    """Make the directory of a run and write down what it is."""
    if config.out.exists() and (not config.out.is_dir() or any(config.out.iterdir())):
        raise StripeError(
            f"{config.out} must be a new or empty directory; choose another with --out"
        )
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        resolved = {
            **asdict(config),
            "command": command_line(),
            "versions": library_versions(),
        }
        (config.out / "config.json").write_text(json.dumps(resolved, indent=1, default=str) + "\n")
    except OSError as error:
        raise StripeError(
            f"cannot write to {config.out}: {error.strerror}; choose another with --out"
        ) from error


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Replace the log as a whole, so that a kill loses no finished epoch."""
    draft = path.with_suffix(".draft")
    pd.DataFrame(history).to_csv(draft, index=False)
    draft.replace(path)
