"""Find the gates of every network of timm and torchvision, untrained and on the meta device.

    python -m benchmarks.inventory [--only seresnet]

The result names, for each network, how many gates there are of each kind, and what cannot be
recorded. Networks that the result holds for the same versions are not looked into again.
"""

import argparse
import json
import warnings
from collections import Counter
from inspect import signature
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
    others = torchvision.models.list_models()
    return [f"timm/{n}" for n in timm.list_models()] + [f"torchvision/{n}" for n in others]


def build(name: str, device: str) -> tuple[nn.Module, tuple[int, ...]]:
    """Return a network, and the shape of its images."""
    library, name = name.split("/", 1)
    model: Any
    with torch.device(device):
        if library == "torchvision":
            builder = torchvision.models.get_model_builder(name)
            parts = (
                {"weights_backbone": None}
                if "weights_backbone" in signature(builder).parameters
                else {}
            )
            model = builder(weights=None, **parts)
            if "video" in builder.__module__:
                side = 112 if name in ("mc3_18", "r2plus1d_18", "r3d_18") else 224
                return model, (3, 16, side, side)
            return model, (3, 224, 224)
        model = timm.create_model(name)
    return model, tuple(model.pretrained_cfg.get("input_size", (3, 224, 224)))


def look_into(name: str) -> dict[str, Any]:
    """Return the gates of a network by kind, and the warnings, or why it cannot be looked into.

    Where it cannot be built or run on the meta device, it is on the CPU.
    """
    for device in ("meta", "cpu"):
        try:
            model, shape = build(name, device)
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                gates = stripe.find_gates(
                    model.eval(), torch.zeros(2, *shape, device=device), kinds=KINDS
                )
            break
        except Exception as error:  # of any library; it is written down
            failure = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    else:
        return failure
    found: dict[str, Any] = {"gates": dict(Counter(gate.kind for gate in gates))}
    found["channels"] = sum(gate.channels for gate in gates)
    said = [str(w.message) for w in warned if "gate" in str(w.message)]
    return found | ({"warnings": said} if said else {})


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
