"""The paper's tables."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from stripe.reproduce.kinds import Accuracy, Speed
from stripe.reproduce.paper.cells import Cell, module_of_table_9
from stripe.reproduce.paper.exhibits import Contrast, Exhibit, Kind, above
from stripe.reproduce.paper.noise_reading import DEFAULT_READING, NoiseReading
from stripe.reproduce.paper.results import paper_results


def _table(
    number: int, title: str, claim: str, compare: "Compare", kind: Kind | None = None
) -> Exhibit:
    """Return a table with a cell for each of the paper's numbers."""
    rows = paper_results()
    rows = rows[rows["table"] == number]
    paper: dict[Cell, dict[str, float]] = {}
    for row in rows.to_dict("records"):
        cell = Cell(row["dataset"], row["backbone"], row["method"], row["setting"])
        paper.setdefault(cell, {})[row["metric"]] = row["value"]
    for cell, numbers in paper.items():
        if "fps" in numbers:
            numbers["speed"] = numbers["fps"] / paper[cell.but(method="base")]["fps"]
    cells = tuple(replace(cell, paper=numbers) for cell, numbers in paper.items())
    contrasts = tuple(contrast for cell in cells for contrast in compare(cell))
    return Exhibit(f"table{number}", title, claim, kind or Accuracy(), cells, contrasts)


def _faster(cell: Cell) -> Iterator[Contrast]:
    if cell.method != "base":
        bare = cell.but(method="base")
        yield Contrast(f"{bare.label} - {cell.method}", {bare: 1.0, cell: -1.0}, "speed")


def _above_base(cell: Cell) -> Iterator[Contrast]:
    if "ASR(" in cell.method:
        with_acnet = "ACNet" if cell.method.startswith("ACNet") else "base"
        yield from above(cell, cell.but(method=with_acnet))


def _above_attention(cell: Cell) -> Iterator[Contrast]:
    if cell.setting == "with ASR":
        alone = cell.method.partition("+")[0]
        yield from above(cell, cell.but(method=alone, setting="without ASR"))


def _above_settings(best: str, others: tuple[str, ...], cell: Cell) -> Iterator[Contrast]:
    if cell.setting == best:
        yield from above(cell, *(cell.but(setting=other) for other in others))


def _above_psi(cell: Cell) -> Iterator[Contrast]:
    if cell.method == "ASR with attention module":
        others = ("no ASR", "ASR without attention module")
        yield from above(cell, *(cell.but(method=other) for other in others))


def _loses_less(cell: Cell) -> Iterator[Contrast]:
    """Compare the loss of accuracy under noise of a network and of the bare network."""
    if cell.method == "base" or cell.setting == CLEAN:
        return
    bare = cell.but(method="base")
    weights = {cell: 1.0, cell.but(setting=CLEAN): -1.0, bare: -1.0, bare.but(setting=CLEAN): 1.0}
    yield Contrast(f"loss of base - loss of {cell.method}, {cell.setting}", weights)


def noise_table(reading: NoiseReading = DEFAULT_READING) -> Exhibit:
    """Return Table 8 in one reading, which its title and its files name."""
    table = _table(
        8,
        f"Noise in every batch norm ({reading.words})",
        "Noise costs a network with ASR less accuracy than the bare one.",
        _loses_less,
        Accuracy(reading),
    )
    return replace(table, name=f"table8{reading.suffix}")


def _table_9() -> Exhibit:
    table = _table(
        9,
        "ASR with and without an attention module",
        "ASR with an attention module beats psi alone, and no ASR.",
        _above_psi,
    )
    named = [cell for cell in table.cells if cell.method == "ASR with attention module"]
    modules = ", ".join(f"{module_of_table_9(cell)} on {cell.dataset}" for cell in named)
    remark = (
        "The attention module, which the paper's table does not name, is the one whose accuracy in "
        f"its Table 3 is the same: {modules}."
    )
    return replace(table, remark=remark)


#: The noise of Table 8 that changes nothing.
CLEAN = "constant(1.0,0.0)"
_FIXED = tuple(f"psi={kind}_{value}" for kind in "CN" for value in (0.1, 0.3, 0.5))
_STARTS = tuple(f"psi_init={value}" for value in (0.2, 0.3, 0.4, 0.5, 0.6))
_above_one = partial(_above_settings, "delta=2", ("delta=1",))

Compare = Callable[[Cell], Iterator[Contrast]]
#: By number: the title of the table, its claim, and its contrasts.
_ENTRIES: dict[int, tuple[Any, ...]] = {
    1: (
        "What attention costs at inference",
        "The bare network is faster than with any attention module.",
        _faster,
        Speed(),
    ),
    2: ("ASR on ImageNet", "A network with ASR beats the bare one.", _above_base),
    3: ("ASR on CIFAR and STL10", "A network with ASR beats the bare one.", _above_base),
    4: (
        "ASR beside attention",
        "A network with attention and ASR beats the one with attention alone.",
        _above_attention,
    ),
    5: (
        "ASR beside structural re-parameterization",
        "RepVGG and ACNet with ASR beat those without.",
        _above_base,
    ),
    6: ("Several ASRs at one place", "Two ASRs beat one.", _above_one),
    7: (
        "Learnable and fixed psi",
        "A learnable psi beats every fixed one.",
        partial(_above_settings, "psi=learnable", _FIXED),
    ),
    13: (
        "How psi begins",
        "A psi that begins at 0.1 beats those that begin higher.",
        partial(_above_settings, "psi_init=0.1", _STARTS),
    ),
    14: ("Several ASRs, in detail", "Two ASRs beat one.", _above_one),
}
_MADE: dict[int, Callable[[], Exhibit]] = {
    **{number: partial(_table, number, *entry) for number, entry in _ENTRIES.items()},
    8: noise_table,
    9: _table_9,
}
#: The functions that make the tables, by name.
TABLES = {f"table{number}": _MADE[number] for number in sorted(_MADE)}
