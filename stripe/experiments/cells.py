"""A cell of one of the paper's tables: a network, on data, in a setting."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stripe.errors import StripeError


@dataclass(frozen=True)
class Cell:
    """What is trained for one number of a table, in the paper's words.

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
        """Return the cell that differs in some of its words, without the paper's numbers."""
        return replace(self, paper={}, **differs)

    @property
    def label(self) -> str:
        """The cell in a few words."""
        return " ".join(filter(None, (self.dataset, self.backbone, self.method, self.setting)))


#: Table 7: C_i is filled with i, N_i drawn from N(0, i^2).
_PSI = {"C": "constant", "N": "normal"}

#: What psi begins at in all other tables.
_USUAL = "0.1"


def fields_of(cell: Cell) -> dict[str, Any]:
    """Return the fields of `TrainConfig` that a cell's method and setting mean.

    Raises
    ------
    StripeError
        If a word has no meaning.
    """
    return {**_of_method(cell.method), **_of_setting(cell.setting)}


def _of_method(method: str) -> dict[str, Any]:
    """Return attention and ASR: "SE+ASR(SE)" has both."""
    named = {
        "base": {},
        "ACNet": {},
        "no ASR": {},
        "ASR without attention module": {"asr": "psi"},
        # Table 9 does not say which; its numbers on CIFAR100 and STL10 are those of IE in Table 3.
        "ASR with attention module": {"asr": "ie"},
    }
    if method in named:
        return {"attention": None, "asr": None, **named[method]}
    found = re.fullmatch(r"(?:(?P<attention>\w+)\+?)?(?:ASR\((?P<asr>\w+)\))?", method)
    if found is None:
        raise StripeError(f"no network is called {method!r}")
    modules = {name: module and module.lower() for name, module in found.groupdict().items()}
    if modules["attention"] == "acnet":  # of the backbone
        modules["attention"] = None
    return modules


def _of_setting(setting: str) -> dict[str, Any]:
    """Return noise, copies of ASR, psi, the size of images, or how it is trained."""
    if ", " in setting:
        return {name: v for part in setting.split(", ") for name, v in _of_setting(part).items()}
    if not setting or setting in ("with ASR", "without ASR", "psi=learnable"):
        return {}
    if noise := re.fullmatch(r"(constant|random)\(([\d.]+), ?([\d.]+)\)", setting):
        kind, a, b = noise.groups()
        unchanged = (kind, float(a), float(b)) == ("constant", 1, 0)
        return {} if unchanged else {"noise": f"{kind}:{a},{b}"}
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
