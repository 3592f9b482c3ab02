"""Tables and figures of the paper, until a deadline; a further call goes on."""

import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.slices import Outcome, Setting
from benchmarks.gpu.subprocesses import GRACE, module
from stripe.reproduce.engines import Local
from stripe.reproduce.paper.catalogue import exhibit
from stripe.reproduce.paper.scales import scale
from stripe.reproduce.reproduction import Reproduction, reproduction

#: In the order of their value.
NAMES = (
    "table8",
    *("table6", "table7", "table9", "table13", "figure2", "figure4"),
    *(f"figure{number}" for number in range(11, 19)),
)
REHEARSED_SEEDS = 1


def reproduce(name: str, setting: Setting) -> Outcome:
    """Run what is missing of one exhibit; done where nothing is left."""
    chosen = scale_name(setting)
    folder = setting.out / "reports" if setting.rehearse else Path("figures/reproduce") / chosen
    command: list[object] = [
        *("stripe", "reproduce", name, "--scale", chosen, "--device", setting.device),
        *("--store", setting.store, "--data-root", setting.data_root, "--out", folder),
        *(["--seeds", REHEARSED_SEEDS] if setting.rehearse else []),
        *_side_by_side(setting),
    ]
    started, before = time.perf_counter(), _finished(name, setting)[0]
    ended = module(command, seconds=60 * setting.minutes - GRACE)
    finished, needed = _finished(name, setting)
    found: dict[str, Any] = {
        "scale": chosen,
        "runs": needed,
        "finished": finished,
        "left": needed - finished,
        "runs_of_this_call": finished - before,
        "seconds_of_this_call": round(time.perf_counter() - started, 1),
        "stopped": ended.stopped,
        "goes_on": ended.stopped and finished > before,
        "said": ended.said,
        "reports": str(folder),
    }
    if ended.code != 0 and not ended.stopped:
        found["error"] = f"{(ended.said or ['no message'])[-1]} (exit code {ended.code})"
    return found, finished == needed and ended.code == 0


def scale_name(setting: Setting) -> str:
    """Return the scale of the exhibits."""
    return "test" if setting.rehearse else "small"


def _side_by_side(setting: Setting) -> list[object]:
    """Return how many runs share the GPU, as the slice `together` measured it."""
    if setting.device == "cpu":
        return ["--workers", Local(device="cpu").at_a_time()]
    return ["--runs-per-gpu", setting.result("together").get("best", 1)]


def _finished(name: str, setting: Setting) -> tuple[int, int]:
    """Return how many runs of an exhibit are finished, and how many it needs."""
    needed = reproduction_of(name, setting).needed
    return sum(run.state == "finished" for run in needed), len(needed)


def reproduction_of(name: str, setting: Setting) -> Reproduction:
    """Return an exhibit with its runs, at the size of the setting."""
    return reproduction(
        exhibit(name),
        scale(scale_name(setting)),
        store=setting.store,
        data_root=setting.data_root,
        seeds=range(REHEARSED_SEEDS) if setting.rehearse else None,
    )
