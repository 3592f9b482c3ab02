"""`stripe verify`: check every file of a recording or a run."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stripe.cli.app import Json, app, print_json, print_table
from stripe.registry import counted


@app.command
def verify(
    path: Annotated[Path, Parameter(help="Directory of a recording or of a run.")],
    *,
    json: Json = False,
) -> None:
    """Check every file of a recording or a run against the SHA-256 that was stored with it.

    The files of a run are its configuration, log and weights, its last checkpoint, and its
    recording if there is one.
    """
    if not (path / "config.json").exists():
        return _verify_recording(path, json)
    from stripe.recording import open_recording
    from stripe.train.verify import UNCHECKED, verify_run

    table = verify_run(path)
    recording = path / "recording"
    if json:
        recorded = open_recording(recording).verify() if recording.exists() else None
        files = table.to_dict("records")
        parts = [] if recorded is None else recorded.to_dict("records")
        return print_json({"files": files, "recording": parts})
    whole = table[table["state"] != UNCHECKED]
    print(f"{path}: {len(whole)} files, {whole['bytes'].sum():,} bytes, all whole")
    if left := table.loc[table["state"] == UNCHECKED, "file"].tolist():
        print(f"{path}: no manifest, since the run is from before there were any; not checked: "
              f"{', '.join(left)}")  # fmt: skip
    return _verify_recording(recording, json) if recording.exists() else None


def _verify_recording(recording: Path, json: bool) -> None:
    from stripe.recording import open_recording

    table = open_recording(recording).verify()
    if json:
        return print_table(table, json)
    print(
        f"{recording}: {counted(table['epoch'].nunique(), 'epoch')}, "
        f"{counted(len(table), 'file')}, {table['rows'].sum()} rows, "
        f"{table['bytes'].sum():,} bytes, all whole"
    )
    return None
