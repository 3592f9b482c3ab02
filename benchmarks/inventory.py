"""Find the gates of every network of timm and torchvision, untrained and on the meta device.

    python -m benchmarks.inventory [--only seresnet]

The result names, for each network, how many gates there are of each kind, and what cannot be
recorded. Networks that the result holds for the same versions are not looked into again.
"""

import argparse
import json
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from torch import nn
from tqdm.auto import tqdm

import stripe
from stripe.gates.find import KINDS
from stripe.versions import library_versions

RESULT = Path(__file__).parent / "results" / "inventory.json"


def networks() -> list[str]:
    """Return the names of all networks, `timm/NAME` and `torchvision/NAME`."""
    others = [name for name in torchvision.models.list_models() if not name.startswith("quantized")]
    return [f"timm/{n}" for n in timm.list_models()] + [f"torchvision/{n}" for n in others]


def build(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """Return a network on the meta device, and the shape of its images."""
    library, name = name.split("/", 1)
    model: Any
    with torch.device("meta"):
        if library == "torchvision":
            alone = {"weights": None, "weights_backbone": None} if "/" in name else {}
            return torchvision.models.get_model(name, **alone), (3, 224, 224)
        model = timm.create_model(name)
    return model, tuple(model.pretrained_cfg.get("input_size", (3, 224, 224)))


def look_into(name: str) -> dict[str, Any]:
    """Return the gates of a network by kind, and the warnings, or why it cannot be looked into."""
    try:
        model, shape = build(name)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            gates = stripe.find_gates(model, torch.zeros(2, *shape, device="meta"), kinds=KINDS)
    except Exception as error:  # of any library; it is written down
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    said = [str(w.message) for w in warned if "gate" in str(w.message)]
    kinds = dict(Counter(gate.kind for gate in gates))
    return {"gates": kinds, "channels": sum(g.channels for g in gates)} | (
        {"warnings": said} if said else {}
    )


def main() -> None:
    """Look into all networks, one after another; Ctrl-C keeps what is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of the names of the networks to look into")
    only = parser.parse_args().only
    versions = library_versions() | {"timm": timm.__version__}
    found: dict[str, Any] = {}
    if RESULT.is_file() and (old := json.loads(RESULT.read_text()))["versions"] == versions:
        found = old["networks"]
    for name in tqdm([n for n in networks() if only in n and n not in found], unit=" networks"):
        found[name] = look_into(name)
        RESULT.write_text(as_json(found, versions))


def as_json(found: dict[str, Any], versions: dict[str, str]) -> str:
    """Return the result as JSON: totals, then each network on a line."""
    gated = [one["gates"] for one in found.values() if one.get("gates")]
    kinds: Counter[str] = Counter()
    for gates in gated:
        kinds.update(gates)
    totals = {
        "versions": versions,
        "networks_looked_into": len(found),
        "networks_with_gates": len(gated),
        "gates": dict(kinds),
        "errors": sum("error" in one for one in found.values()),
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in sorted(found.items())]
    networks = ",\n".join(lines)
    return f'{json.dumps(totals, indent=1)[:-2]},\n "networks": {{\n{networks}\n }}\n}}\n'


if __name__ == "__main__":
    main()
