"""The memory that a piece of Python takes, and weights that would take too much of it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import torch

_REPORT = """
import resource, sys
sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


def peak_mib(code: str) -> tuple[str, float]:
    """Run code, and return what it printed and the most memory that it had, in MiB."""
    command = [sys.executable, "-c", code + _REPORT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, int(done.stderr) / 1024


def write_zip_bomb(file: Path, mebibytes: int) -> None:
    """Write weights as torch does, whose tensor unpacks to so many MiB of zeros."""
    torch.save({"a": torch.zeros(4)}, file)
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in entries.items():
            with archive.open(name, "w", force_zip64=True) as entry:
                for _ in range(mebibytes if name.endswith("/data/0") else 0):
                    entry.write(bytes(1 << 20))
                entry.write(content)
