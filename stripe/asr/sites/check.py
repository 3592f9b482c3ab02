"""Refuse layers that cannot be gated."""

from collections.abc import Sequence

from torch import nn
from torchvision.models.swin_transformer import ShiftedWindowAttention

from stripe.asr.asr import ASR
from stripe.asr.channels import ungated
from stripe.asr.gated import Gated
from stripe.errors import ModelError

#: Modules that read the weights of their children instead of calling them.
_READ_WEIGHTS = (nn.MultiheadAttention, nn.TransformerEncoderLayer, ShiftedWindowAttention)


def check_sites(model: nn.Module, names: Sequence[str], *, attends: bool) -> None:
    """Raise a `ModelError` at the first layer that cannot be gated.

    `attends` says whether the gate depends on the layer's output. It does for attention, but not
    for ASR.
    """
    for name in names:
        layer, parent = model.get_submodule(name), model.get_submodule(name.rpartition(".")[0])
        if isinstance(parent, _READ_WEIGHTS):
            raise ModelError(
                f"{name!r} cannot be gated: a {type(parent).__name__} reads its weights and never "
                "calls it; gate the whole module, or another layer"
            )
        if inside := [other for other in names if other.startswith(f"{name}.")]:
            raise ModelError(f"{inside[0]!r} is inside {name!r}; name one of the two")
        if not attends:
            continue
        if isinstance(layer, Gated) and not isinstance(layer.gate, ASR):
            raise ModelError(f"site {name!r} has attention already; insert it once")
        host = ungated(layer)
        if isinstance(host, nn.MultiheadAttention) and not host.batch_first:
            raise ModelError(
                f"{name!r} has tokens first and images second, where attention would mix images; "
                "build it with batch_first=True"
            )
