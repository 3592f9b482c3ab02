"""The tests marked `gpu`, and those of devices by fake tensors."""

from benchmarks.gpu.slices import Outcome, Setting
from benchmarks.gpu.subprocesses import module


def checks(setting: Setting) -> Outcome:
    """Run the tests marked `gpu`; done where all pass, whatever has no meaning here is skipped."""
    rehearse = ["--rehearse"] if setting.device == "cpu" else []
    ended = module(
        ["pytest", "-q", "-rs", "-m", "gpu", "tests/gpu", *rehearse], seconds=60 * setting.minutes
    )
    return {"exit": ended.code, "stopped": ended.stopped, "said": ended.said}, ended.code == 0
