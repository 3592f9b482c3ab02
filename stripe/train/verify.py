"""Check every file of a run against its manifest."""

import os
from pathlib import Path

import pandas as pd

from stripe.errors import StripeError
from stripe.train.checkpoint import check_run, latest_checkpoint
from stripe.train.manifest import LAST, MUST_BE_NAMED, OF_RUN, checked, read_manifest
from stripe.train.own_recording import check_recording
from stripe.train.run import CONFIG

#: State of the files of an old run without manifest.
UNCHECKED = "unchecked, no manifest"


def verify_run(run: Path) -> pd.DataFrame:
    """Return the state of every file that the manifests of a run name.

    Parameters
    ----------
    run
        The directory of a training, a style training or a measurement, finished or not.

    Returns
    -------
    DataFrame
        One row per file: file, its path relative to the run; bytes; and state, "whole", or
        "unchecked, no manifest" for an old run without manifest.

    Raises
    ------
    StripeError
        If a file is missing, changed or damaged, or the checkpoint or the recording is of another
        run.

    Notes
    -----
    The log of an unfinished run is not in the table, because a resumed run writes it again from its
    checkpoint.
    """
    # A manifest names the last file also if the file was removed.
    named = read_manifest(run) or {}
    finished = any(name in named or os.path.lexists(run / name) for name in LAST)
    rows = _checked(run, None if finished else (CONFIG,))
    latest = latest_checkpoint(run / "checkpoint")
    if latest is not None:
        check_run(latest)
        rows += _checked(latest, None)
    check_recording(run)
    table = pd.DataFrame(rows, columns=["file", "bytes", "state"])
    table["file"] = [str(file.relative_to(run)) for file in table["file"]]
    return table


def _checked(folder: Path, names: tuple[str, ...] | None) -> list[tuple[Path, int, str]]:
    """Check files of a folder. Default: the files that its manifest names or must name."""
    digests = read_manifest(folder)
    there = {name for name in MUST_BE_NAMED if (folder / name).is_file()}
    rows = []
    for name in names or sorted({*(digests or {}), *there} - {OF_RUN}):
        file = folder / name
        if not file.is_file():
            checked(file)  # its error says what is in the place of the file
            resume = ", or continue the run with --resume" if name in LAST else ""
            raise StripeError(f"{file} is missing; restore it from a copy{resume}")
        checked(file)
        rows.append((file, file.stat().st_size, UNCHECKED if digests is None else "whole"))
    return rows
