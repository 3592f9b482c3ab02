"""Measure how many small networks one GPU trains best at a time."""

from benchmarks.gpu.slices import Outcome, Setting
from stripe.reproduce.engines.together import best, rates


def together(setting: Setting) -> Outcome:
    """Measure the images/s of 1, 2, 4 and 8 processes, in all; `best` is the number to choose."""
    if setting.rehearse:
        found = rates(setting.device, counts=(1, 2), batch=8, steps=2)
    else:
        found = rates(setting.device)
    return {"images_per_s_in_all": found, "best": best(found)}, True
