"""The tensors in the inputs or outputs of a network."""

from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves


def tensors_in(output: Any) -> list[Tensor]:
    """Return the tensors in the output of a network: nested lists, dictionaries, dataclasses."""
    if is_dataclass(output) and not isinstance(output, type):
        output = [getattr(output, field.name) for field in fields(output)]
    leaves = tree_leaves(output, is_leaf=lambda leaf: is_dataclass(leaf) and leaf is not output)
    found = []
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            found += tensors_in(leaf)
    return found
