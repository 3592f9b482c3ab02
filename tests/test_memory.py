"""A process that keeps its memory does not ask the kernel for it again."""

import subprocess
import sys

import pytest

CODE = """
import resource, sys
import torch
from stripe.memory import keep_freed_memory

if sys.argv[1] == "kept" and not keep_freed_memory():
    print(-1)
    sys.exit()

def maps():
    for _ in range(20):
        first = torch.zeros(4 << 20)  # 16 MiB
        second = first + 1
        del first, second

maps()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
maps()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(way: str) -> int:
    command = [sys.executable, "-c", CODE, way]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="faults are counted on Linux")
def test_freed_memory_is_kept() -> None:
    kept = faults("kept")
    if kept < 0:
        pytest.skip("this C library has no mallopt")
    assert kept < 1000  # pages of 4 KiB; all of the maps have 160,000
