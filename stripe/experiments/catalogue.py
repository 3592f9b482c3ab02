"""The paper's tables of accuracy: their cells, and the claim that each is printed for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from stripe.errors import UnknownNameError
from stripe.experiments.cells import Cell
from stripe.experiments.paper import paper_results


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of accuracies that a claim says is above zero.

    Parameters
    ----------
    label
        In a few words.
    weights
        Of the accuracy of each cell, of the same seed.
    """

    label: str
    weights: Mapping[Cell, float]


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Parameters
    ----------
    name
        "table3" and so on.
    title
        What it is about.
    claim
        What the paper says that it shows.
    cells
        Every network that is trained for it, once.
    contrasts
        The claim, cell by cell.
    """

    name: str
    title: str
    claim: str
    cells: tuple[Cell, ...]
    contrasts: tuple[Contrast, ...]


def list_tables() -> list[str]:
    """Return the names of the tables that can be reproduced."""
    return list(_ENTRIES)


def table(name: str) -> Table:
    """Return a table by name, or raise an `UnknownNameError` that lists them."""
    if name not in _ENTRIES:
        raise UnknownNameError(f"unknown table {name!r}; choose one of: {', '.join(_ENTRIES)}")
    title, claim, compare = _ENTRIES[name]
    rows = paper_results()
    rows = rows[rows["table"] == int(name.removeprefix("table"))]
    paper: dict[Cell, dict[str, float]] = {}
    for row in rows.to_dict("records"):
        cell = Cell(row["dataset"], row["backbone"], row["method"], row["setting"])
        paper.setdefault(cell, {})[row["metric"]] = row["value"]
    cells = tuple(replace(cell, paper=numbers) for cell, numbers in paper.items())
    contrasts = tuple(contrast for cell in cells for contrast in compare(cell))
    return Table(name, title, claim, cells, contrasts)


def _above(cell: Cell, of: Mapping[str, str], others: tuple[Cell, ...]) -> Iterator[Contrast]:
    """Compare a cell that has these words with others."""
    if all(getattr(cell, word) == value for word, value in of.items()):
        for other in others:
            yield Contrast(f"{cell.label} - {_apart(other, cell)}", {cell: 1.0, other: -1.0})


def _apart(cell: Cell, than: Cell) -> str:
    """Return the words in which a cell differs from another."""
    words = ("dataset", "backbone", "method", "setting")
    return " ".join(getattr(cell, w) for w in words if getattr(cell, w) != getattr(than, w))


def _above_base(cell: Cell) -> Iterator[Contrast]:
    if "ASR(" in cell.method:
        with_acnet = "ACNet" if cell.method.startswith("ACNet") else "base"
        yield from _above(cell, {}, (cell.but(method=with_acnet),))


def _above_attention(cell: Cell) -> Iterator[Contrast]:
    alone = cell.but(method=cell.method.partition("+")[0], setting="without ASR")
    yield from _above(cell, {"setting": "with ASR"}, (alone,))


def _above_one(cell: Cell) -> Iterator[Contrast]:
    yield from _above(cell, {"setting": "delta=2"}, (cell.but(setting="delta=1"),))


def _above_settings(best: str, others: tuple[str, ...], cell: Cell) -> Iterator[Contrast]:
    yield from _above(cell, {"setting": best}, tuple(cell.but(setting=other) for other in others))


def _above_psi(cell: Cell) -> Iterator[Contrast]:
    others = tuple(cell.but(method=m) for m in ("no ASR", "ASR without attention module"))
    yield from _above(cell, {"method": "ASR with attention module"}, others)


def _loses_less(cell: Cell) -> Iterator[Contrast]:
    """Compare what noise costs a network with what it costs the bare one."""
    if cell.method == "base" or cell.setting == _CLEAN:
        return
    bare = cell.but(method="base")
    weights = {cell: 1.0, cell.but(setting=_CLEAN): -1.0, bare: -1.0, bare.but(setting=_CLEAN): 1.0}
    yield Contrast(f"loss of base - loss of {cell.method}, {cell.setting}", weights)


_CLEAN = "constant(1.0,0.0)"
_FIXED = tuple(f"psi={kind}_{value}" for kind in "CN" for value in (0.1, 0.3, 0.5))
_STARTS = tuple(f"psi_init={value}" for value in (0.2, 0.3, 0.4, 0.5, 0.6))

Compare = Callable[[Cell], Iterator[Contrast]]
#: By name: what the table is about, its claim, and how that is compared.
_ENTRIES: dict[str, tuple[str, str, Compare]] = {
    "table2": ("ASR on ImageNet", "A network with ASR beats the bare one.", _above_base),
    "table3": ("ASR on CIFAR and STL10", "A network with ASR beats the bare one.", _above_base),
    "table4": (
        "ASR beside attention",
        "A network with attention and ASR beats the one with attention alone.",
        _above_attention,
    ),
    "table5": (
        "ASR beside structural re-parameterization",
        "RepVGG and ACNet with ASR beat those without.",
        _above_base,
    ),
    "table6": ("Several ASRs at one place", "Two ASRs beat one.", _above_one),
    "table7": (
        "Learnable and fixed psi",
        "A learnable psi beats every fixed one.",
        partial(_above_settings, "psi=learnable", _FIXED),
    ),
    "table8": (
        "Noise in every batch norm",
        "Noise costs a network with ASR less accuracy than the bare one.",
        _loses_less,
    ),
    "table9": (
        "ASR with and without an attention module",
        "ASR with an attention module beats psi alone, and no ASR.",
        _above_psi,
    ),
    "table13": (
        "How psi begins",
        "A psi that begins at 0.1 beats those that begin higher.",
        partial(_above_settings, "psi_init=0.1", _STARTS),
    ),
    "table14": ("Several ASRs, in detail", "Two ASRs beat one.", _above_one),
}
