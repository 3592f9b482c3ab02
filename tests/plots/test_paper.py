"""The style of a paper leaves the process as it was, also where the plots of a notebook begin."""

import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from stripe import plots

IN_A_NOTEBOOK = """
import os
os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance()
from stripe import plots
with plots.paper_style():
    plots.tradeoff
import matplotlib
assert matplotlib.is_interactive(), "figures are not shown any more"
"""


def test_the_style_ends_with_its_context() -> None:
    before = plt.rcParams["font.size"]
    with plots.paper_style():
        assert plt.rcParams["font.size"] != before
    assert plt.rcParams["font.size"] == before


def test_a_figure_is_saved_under_a_name(tmp_path: Path) -> None:
    ax = plt.figure().add_subplot()
    plots.save_figure(ax, str(tmp_path / "empty.png"))
    assert (tmp_path / "empty.png").stat().st_size
    assert not plt.get_fignums()


@pytest.mark.slow
def test_a_notebook_whose_first_figure_is_in_the_style_shows_the_next_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_NOTEBOOK], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
