"""A cell of one of the paper's tables: a network, on data, in a setting."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stripe.errors import StripeError
from stripe.reproduce.paper.noise_reading import DEFAULT_READING, NoiseReading
from stripe.reproduce.paper.results import paper_results


@dataclass(frozen=True)
class Cell:
    """The network and setting of one number in a table, in the paper's words.

    Parameters
    ----------
    dataset, backbone, method, setting
        As in `paper_results`.
    paper
        The paper's numbers by metric: "top1" and "top5", in percent, and "top1_std" over runs.
    """

    dataset: str
    backbone: str
    method: str
    setting: str
    paper: Mapping[str, float] = field(default_factory=dict, compare=False)

    def but(self, **differs: str) -> "Cell":
        """Return a copy with other words, without the paper's numbers."""
        return replace(self, paper={}, **differs)

    @property
    def label(self) -> str:
        """The cell in a few words."""
        return " ".join(filter(None, (self.dataset, self.backbone, self.method, self.setting)))


#: Table 7: C_i is filled with i, N_i drawn from N(0, i^2).
_PSI = {"C": "constant", "N": "normal"}

#: The initial psi in all other tables.
_USUAL = "0.1"


def fields_of(cell: Cell, reading: NoiseReading = DEFAULT_READING) -> dict[str, Any]:
    """Return the fields of `TrainConfig` for a cell's method and setting.

    Parameters
    ----------
    cell
        A network in the paper's words.
    reading
        Reading of the numbers of a noise.

    Raises
    ------
    StripeError
        If a word is unknown.
    """
    return {**_parsed_method(cell), **_parsed_setting(cell.setting, reading)}


def module_of_table_9(cell: Cell) -> str:
    """Return the attention module of "ASR with attention module", which Table 9 does not name.

    It is the module whose accuracy in Table 3, for the same network and data, equals the number in
    Table 9: IE on STL10 and CIFAR100, SPA on CIFAR10.

    Raises
    ------
    StripeError
        If no number in Table 3, or more than one, equals that in Table 9.
    """
    rows = paper_results()
    rows = rows[(rows["dataset"] == cell.dataset) & (rows["backbone"] == cell.backbone)]
    of_table_9 = rows[(rows["table"] == 9) & (rows["method"] == cell.method)]["value"]
    same = rows[(rows["table"] == 3) & rows["value"].isin(of_table_9)]["method"]
    if len(same) != 1:
        raise StripeError(
            f"Table 3 must have the number of {cell.label} in Table 9 once, and has it {len(same)} "
            "times; name the module, as in ASR(SE)"
        )
    return str(same.item()).removeprefix("ASR(").removesuffix(")")


def _parsed_method(cell: Cell) -> dict[str, Any]:
    """Return the attention and the ASR of a method, such as "SE+ASR(SE)", which has both."""
    named = {"base": None, "ACNet": None, "no ASR": None, "ASR without attention module": "psi"}
    if cell.method in named:
        return {"attention": None, "asr": named[cell.method]}
    if cell.method == "ASR with attention module":
        return {"attention": None, "asr": module_of_table_9(cell).lower()}
    found = re.fullmatch(r"(?:(?P<attention>\w+)\+?)?(?:ASR\((?P<asr>\w+)\))?", cell.method)
    if found is None:
        raise StripeError(f"no network is called {cell.method!r}")
    modules = {name: module and module.lower() for name, module in found.groupdict().items()}
    if modules["attention"] == "acnet":  # of the backbone
        modules["attention"] = None
    return modules


def _parsed_setting(setting: str, reading: NoiseReading) -> dict[str, Any]:
    """Return the settings for a cell's text, such as "constant(0.5,0.1)" or "delta=2".

    A comma and a space separate several settings.
    """
    if ", " in setting:
        parts = [_parsed_setting(part, reading) for part in setting.split(", ")]
        return {name: value for part in parts for name, value in part.items()}
    if not setting or setting in ("with ASR", "without ASR", "psi=learnable"):
        return {}
    if found := re.fullmatch(r"(constant|random)\(([\d.]+), ?([\d.]+)\)", setting):
        kind: Any = found[1]
        noise = reading.noise(kind, float(found[2]), float(found[3]))
        return {} if noise.changes_nothing else {"noise": str(noise)}
    name, _, value = setting.partition("=")
    if name == "delta":
        return {"copies": int(value)}
    if name == "psi_init":
        return {} if value == _USUAL else {"psi": value}
    if name == "psi":
        kind, _, number = value.partition("_")
        return {"psi": f"{_PSI[kind]}:{number},fixed"}
    if name == "image_size":
        return {"image_size": int(value)}
    if name == "weight_decay":
        return {"weight_decay": float(value)}
    if name == "schedule":
        return {"schedule": value}
    raise StripeError(f"no setting is called {setting!r}")
