"""Slices of a GPU hour: each has a result of its own, and what is done is not done again."""

import json
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.subprocesses import module
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

    def options(self) -> list[object]:
        """Return the options of the command line that give this setting."""
        return [
            *("--device", self.device, "--out", self.out, "--store", self.store),
            *("--data-root", self.data_root, "--minutes", self.minutes),
            *(["--rehearse"] if self.rehearse else []),
        ]


@dataclass(frozen=True)
class Slice:
    """A part of the work.

    Parameters
    ----------
    name
        Its name, and that of its result.
    work
        Does it, or as much as fits.
    apart
        Whether it runs in a process of its own, which is ended at the limit.
    """

    name: str
    work: Callable[[Setting], Outcome] = field(repr=False)
    apart: bool = False

    def is_done(self, setting: Setting) -> bool:
        """Tell whether it was done at this size."""
        found = setting.result(self.name)
        return bool(found.get("done")) and found.get("rehearsal") == setting.rehearse

    def why(self, setting: Setting) -> str:
        """Return why it is not done, in a few words."""
        found = setting.result(self.name)
        if "error" in found:
            return str(found["error"])
        if "left" in found:
            return f"{found['left']} of {found['runs']} runs are left"
        return "not finished" if found else "not begun"

    def run(self, setting: Setting) -> bool:
        """Do it, write its result at once, and return whether it is done.

        An exception is the result of the slice, and not the end of the other slices.
        """
        started, before = time.perf_counter(), _processor_seconds()
        try:
            found, done = self.work(setting)
        except Exception as error:
            line = (str(error).splitlines() or ["no message"])[0]
            found, done = {"error": f"{type(error).__name__}: {line}"}, False
            found["said"] = traceback.format_exc().splitlines()[-20:]
        seconds = time.perf_counter() - started
        found["processor_seconds"] = round(_processor_seconds() - before, 1)
        save(setting, self.name, found, done=done, seconds=seconds)
        return done

    def run_limited(self, setting: Setting) -> bool:
        """Do it as `run` does; a slice `apart` is ended at the limit."""
        if not self.apart:
            return self.run(setting)
        before = setting.result(self.name)
        command = ["benchmarks.gpu", "--here", "--only", self.name, *setting.options()]
        ended = module(command, seconds=60 * setting.minutes)
        if setting.result(self.name) == before or ended.stopped:
            reason = (
                f"stopped after {setting.minutes:g} minutes"
                if ended.stopped
                else f"its process ended with exit code {ended.code}"
            )
            found = {"error": reason, "said": ended.said}
            save(setting, self.name, found, done=False, seconds=ended.seconds)
        return self.is_done(setting)


def _processor_seconds() -> float:
    """Return the processor time of this process and of those that it started and that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


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
