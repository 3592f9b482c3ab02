"""Runs a notebook, and reduces it to what is stored in the repository.

`python tests/notebook_runs.py notebooks/NAME.ipynb ...` runs notebooks and stores their outputs.
"""

import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
#: A form of an output that shows nothing without a running kernel.
WIDGET = "application/vnd.jupyter.widget-view+json"
#: The number of epochs of a training.
EPOCHS = re.compile(r"(\bepochs(?:=|\": ))\d+")
#: A list of numbers that a table cuts, perhaps after a sign. Its length depends on the numbers.
CUT_LIST = re.compile(r"\[[#, -]+\.{2,3}")
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?(e[-+]?\d+)?|\bnan\b)", re.IGNORECASE)


def executed(path: Path, *, short: bool = False) -> Any:
    """Run a notebook in its folder, with one epoch per training if `short`; raise its errors."""
    notebook: Any = nbformat.read(path, as_version=4)
    for cell in code_cells(notebook) if short else []:
        cell.source = EPOCHS.sub(r"\g<1>1", cell.source)
    NotebookClient(notebook, timeout=3000, resources={"metadata": {"path": FOLDER}}).execute()
    return notebook


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def reduce(notebook: Any) -> Any:
    """Leave out what differs from run to run and says nothing: progress, times, widgets."""
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    for cell in code_cells(notebook):
        cell.metadata = {}
        cell.outputs = [one for one in cell.outputs if not _is_progress(one)]
        for output in cell.outputs:
            if WIDGET in output.get("data", {}):
                output["data"] = {"text/plain": "(a widget, shown while the notebook runs)"}
            if "metadata" in output:
                output["metadata"] = {}
    return notebook


def _is_progress(output: Any) -> bool:
    """Tell whether an output is a progress bar, in a widget or as text."""
    bar = output.output_type == "display_data" and WIDGET in output.data
    return bar or output.get("name") == "stderr"


def content(notebook: Any) -> list[tuple[str, ...]]:
    """Return what must be equal on another machine and after fewer epochs.

    That is the kinds of outputs, and their texts without numbers. A row of numbers counts once,
    since a table may have a row or a column per epoch.
    """
    found = []
    for number, cell in enumerate(code_cells(notebook)):
        for output in cell.outputs:
            data = output.get("data", {"text/plain": output.get("text", "")})
            words = " ".join(NUMBER.sub("#", data.get("text/plain", "")).split())
            words = re.sub(r"#(?: #)+", "#", words)
            words = CUT_LIST.sub("[#...", words)
            found.append((str(number), output.output_type, *sorted(data), words))
    return found


def store(path: Path) -> None:
    """Run a notebook and write it with its outputs."""
    notebook = reduce(executed(path))
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        store(Path(name))
