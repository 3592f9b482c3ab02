"""Stored runs, which all exhibits share. Their directories are named after their settings."""

import json
import os
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from stripe.errors import StripeError
from stripe.files import parse_json, read_regular
from stripe.reproduce.store.measurement import HARDWARE, MEASURED, Measurement
from stripe.settings import Settings
from stripe.style.config import StyleConfig
from stripe.train import TrainConfig
from stripe.train.log import read_history
from stripe.train.manifest import checked
from stripe.train.run import CONFIG, WEIGHTS, read_config

RunState = Literal["finished", "failed", "begun", "missing"]
#: The file with the error of a failed run.
ERROR = "error.txt"
#: The columns of the log by the metrics of a training.
_COLUMNS = {"top1": "test_accuracy", "top5": "test_top5"}


@dataclass(frozen=True)
class StoredRun:
    """A training run or a measurement in a store, finished or not.

    Parameters
    ----------
    config
        Settings of the run, with its directory.
    """

    config: Settings

    @property
    def state(self) -> RunState:
        """State of the run: finished, failed, begun or missing."""
        folder = self.config.out
        if (folder / (MEASURED if isinstance(self.config, Measurement) else WEIGHTS)).exists():
            return "finished"
        if (folder / ERROR).exists():
            return "failed"
        return "begun" if (folder / CONFIG).exists() else "missing"

    @property
    def awaited(self) -> list[Path]:
        """The unfinished runs that this run waits for."""
        if isinstance(self.config, Measurement):
            return self.config.awaited()
        first = self.config.initial if isinstance(self.config, TrainConfig) else None
        if first is None or first.is_file() or (first / WEIGHTS).exists():
            return []
        return [first]

    @property
    def error(self) -> str:
        """The last lines of the error."""
        text = read_regular(self.config.out / ERROR).decode(errors="replace")
        return "\n".join(text.strip().splitlines()[-3:])

    @property
    def machine(self) -> str:
        """The machine on which the run was timed, or ""."""
        file = self.config.out / HARDWARE
        return read_regular(file).decode(errors="replace").strip() if file.exists() else ""

    @property
    def history(self) -> pd.DataFrame:
        """The log of a finished training."""
        return read_history(self.config.out)

    def _check_settings(self) -> None:
        """Raise a `StripeError` if the directory holds a run with other settings.

        A run without a `config.json` is not checked.
        """
        if not os.path.lexists(self.config.out / CONFIG):
            return
        theirs = read_config(self.config.out / CONFIG, type(self.config))
        mine = vars(self.config)
        # Paths depend on the place of the store, and a run stores the value chosen for "auto".
        differs = [
            name
            for name in self.config.differences(theirs)
            if not isinstance(mine[name], Path) and mine[name] != "auto"
        ]
        if differs:
            raise StripeError(
                f"{self.config.out} holds a run of other settings ({', '.join(differs)}) than its "
                "name says; move it to the name that it had"
            )

    @cached_property
    def scores(self) -> dict[str, dict[str, float]]:
        """The numbers of a finished run, by metric.

        A training run has the test accuracy in percent after the last epoch (last), the largest
        (best) and the mean of the last ten epochs (last_ten). A measurement has one number (mean).
        Numbers that could not be measured are left out.

        Raises
        ------
        StripeError
            If a file was changed or is damaged, or the run has other settings.
        """
        self._check_settings()
        if isinstance(self.config, Measurement):
            file = self.config.out / MEASURED
            try:
                numbers = dict(parse_json(read_regular(checked(file))))
                return {m: {"mean": float(v)} for m, v in numbers.items() if v is not None}
            except (OSError, ValueError, TypeError) as error:
                raise StripeError(f"{file} is damaged: {error}; remove its folder") from error
        log = self.history
        if isinstance(self.config, TrainConfig) and len(log) != self.config.epochs:
            raise StripeError(
                f"the log in {self.config.out} must have a row for each of {self.config.epochs} "
                f"epochs, has {len(log)}; remove its folder"
            )
        try:
            return {metric: _scores(100 * log[column]) for metric, column in _COLUMNS.items()}
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise StripeError(
                f"the log in {self.config.out} must hold numbers in the columns "
                f"{', '.join(_COLUMNS.values())} ({error!s:.80}); remove its folder"
            ) from error


def _scores(percent: "pd.Series[float]") -> dict[str, float]:
    """Return the last number, the largest and the mean of the last ten of a column."""
    return {
        "last": float(percent.iloc[-1]),
        "best": float(percent.max()),
        "last_ten": float(percent.tail(10).mean()),
    }


def stored(config: Settings, store: Path, data_root: Path = TrainConfig.data_root) -> StoredRun:
    """Return the run with these settings in a store. Its directory is named after the settings."""
    placed: dict[str, Any] = {"out": store / address(config)}
    if isinstance(config, StyleConfig):
        given = {"content": config.content, "style": config.style}
        # Absolute, because a resumed run must have the same paths.
        root = data_root.absolute()
        placed |= {name: root / path for name, path in given.items() if path is not None}
    else:
        placed["data_root"] = data_root
    if isinstance(config, TrainConfig) and config.initial is not None:
        placed["initial"] = store / config.initial
    return StoredRun(replace(config, **placed))  # type: ignore[type-var]  # all are dataclasses


def address(config: Settings) -> str:
    """Return the name of a run's directory: its network or kind, and a hash of its settings.

    `Settings.identity` chooses these settings. It leaves out the fields that do not change the
    result, and newer fields with the value that older runs had.
    """
    decides = json.dumps(config.identity(), sort_keys=True)
    digest = sha256(decides.encode()).hexdigest()[:16]
    word = getattr(config, "backbone", None) or type(config).__name__.lower()
    return f"{word}-{digest}"
