"""Slices of a GPU hour: each has a result of its own, and what is done is not done again."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from stripe.files import write_json
from stripe.train.device import hardware
from stripe.versions import library_versions

#: What a slice found, and whether it is done; one that is not goes on when it is called again.
Outcome = tuple[dict[str, Any], bool]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where slices run, and how large.

    Parameters
    ----------
    device
        "cuda" or "cpu".
    rehearse
        Run the smallest size, which shows that everything runs, and nothing else.
    out
        Folder of the results.
    store
        Folder of trainings.
    data_root
        Folder that holds data sets.
    minutes
        Limit of one slice.
    """

    device: str
    rehearse: bool
    out: Path
    store: Path
    data_root: Path
    minutes: float

    def result(self, name: str) -> dict[str, Any]:
        """Return what was found by a slice that ran, else nothing."""
        path = self.path(name)
        return json.loads(path.read_text()) if path.is_file() else {}

    def path(self, name: str) -> Path:
        """Return the file of a slice."""
        return self.out / f"{name}.json"


@dataclass(frozen=True)
class Slice:
    """A part of the work.

    Parameters
    ----------
    name
        Its name, and that of its result.
    work
        Does it, or as much as fits.
    """

    name: str
    work: Callable[[Setting], Outcome] = field(repr=False)

    def is_done(self, setting: Setting) -> bool:
        """Tell whether it was done at this size."""
        found = setting.result(self.name)
        return bool(found.get("done")) and found.get("rehearsal") == setting.rehearse

    def run(self, setting: Setting) -> bool:
        """Do it, write its result at once, and return whether it is done."""
        started = time.perf_counter()
        found, done = self.work(setting)
        seconds = time.perf_counter() - started
        save(setting, self.name, found, done=done, seconds=seconds)
        return done


def save(
    setting: Setting, name: str, found: Mapping[str, Any], *, done: bool, seconds: float
) -> None:
    """Write a result, with the card that it is of, whole or not at all."""
    setting.out.mkdir(parents=True, exist_ok=True)
    write_json(
        setting.path(name),
        {
            "hardware": hardware(torch.device(setting.device)),
            "versions": library_versions(),
            "rehearsal": setting.rehearse,
            "done": done,
            "seconds": round(seconds, 1),
            **found,
        },
    )
