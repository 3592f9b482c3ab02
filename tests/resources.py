"""What a piece of Python takes, measured in a process of its own."""

import subprocess
import sys

_REPORT = """
import resource, sys
sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


def peak_mib(code: str) -> tuple[str, float]:
    """Run code, and return what it printed and the most memory that it had, in MiB."""
    command = [sys.executable, "-c", code + _REPORT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, int(done.stderr) / 1024
