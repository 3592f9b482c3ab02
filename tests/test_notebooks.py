"""Every notebook is its script's twin, is stored with outputs, and a run gives the same content."""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from notebook_runs import FOLDER, WIDGET, code_cells, content, executed, reduce

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
#: Folders of the machine that ran a notebook.
OF_A_MACHINE = re.compile(r"/(?:tmp|home|root|work|usr|Users|var|opt)/")


def test_there_are_ten() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(10)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_its_script_and_has_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    script = jupytext.read(path.with_suffix(".py"))
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert cells == [(cell.cell_type, cell.source) for cell in script.cells], (
        "the pair differs: jupytext --sync notebooks/*.py, then python tests/notebook_runs.py"
    )
    code = code_cells(notebook)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert any(cell.outputs for cell in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_names_no_folder_of_a_machine(path: Path) -> None:
    cells = code_cells(nbformat.read(path, as_version=4))
    texts = [
        str({kind: value for kind, value in out.get("data", out).items() if kind != "image/png"})
        for cell in cells
        for out in cell.outputs
    ]
    assert not [text for text in texts if OF_A_MACHINE.search(text)]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_a_run_gives_the_stored_content(path: Path) -> None:
    stored = nbformat.read(path, as_version=4)
    assert content(reduce(executed(path, short=True))) == content(stored)
    pictures = [
        out for cell in code_cells(stored) for out in cell.outputs if "image/png" in str(out)
    ]
    assert pictures or path.stem.startswith("03")  # which is about sizes, and draws nothing


def test_content_ignores_numbers_progress_and_widgets_alone() -> None:
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    cell = nbformat.v4.new_code_cell("x")
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stderr", text="10 %"),
        nbformat.v4.new_output("display_data", {"text/plain": "10 %", WIDGET: {}}),
        nbformat.v4.new_output("execute_result", {"text/plain": "eta2  0.91\nlow  -1e-3"}),
        nbformat.v4.new_output("execute_result", {"text/plain": "Explorer()", WIDGET: {}}),
        nbformat.v4.new_output("execute_result", {"text/plain": "7 [0.5, 0.25, -... [-1.5, 2..."}),
    ]
    notebook.cells = [cell]
    assert content(reduce(notebook)) == [
        ("0", "execute_result", "text/plain", "eta# low #"),
        ("0", "execute_result", "text/plain", "(a widget, shown while the notebook runs)"),
        ("0", "execute_result", "text/plain", "# [#... [#..."),
    ]
