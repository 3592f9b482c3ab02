"""A digest of a network's weights, to check that a recording belongs to them."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor, nn

from stripe.errors import ModelError
from stripe.modules.unwrap import unwrapped
from stripe.recording import Recorded, open_recording
from stripe.typed import typed

if TYPE_CHECKING:
    from hashlib import _Hash


@typed
def fingerprint(model: nn.Module) -> str:
    """Return the SHA-256 of the `state_dict` of a network.

    Parameters
    ----------
    model
        Any network. The digest does not depend on wrappers (DistributedDataParallel, DataParallel,
        `torch.compile`), the device or the memory format.

    Returns
    -------
    str
        64 hexadecimal digits. The digest covers the name, dtype, shape and bytes of each parameter
        and buffer in the `state_dict`, in the order of their names, and extra state of modules.
        Shared weights count once for each name. Tensors on the meta device have no bytes.

    Raises
    ------
    ModelError
        If the network is scripted, quantised to int8 or sharded (FSDP), or has lazy parameters,
        which have no shape before the first forward pass.

    Notes
    -----
    One tensor at a time is copied to the host. A change of dtype changes the digest. A forward pass
    in training mode also changes the digest if the network has batch norms, because they update
    their running statistics.

    Examples
    --------
    >>> stripe.gates.fingerprint(model) == recording.weights(epoch=2)
    True
    """
    return fingerprint_of(unwrapped(model).state_dict())


def fingerprint_of(weights: Mapping[str, Any]) -> str:
    """Return the `fingerprint` of the network whose `state_dict` this is, as a file holds it."""
    digest = hashlib.sha256()
    state = {_uncompiled(name): value for name, value in weights.items()}
    for name in sorted(state):
        _add(digest, name, state[name])
    return digest.hexdigest()


def check_fingerprint(model: nn.Module, data: Any, epoch: int | None) -> None:
    """Raise if `data` was recorded from other weights than those of the model.

    Parameters
    ----------
    model
        A network.
    data, epoch
        A recording, its directory or the moments of one, as `stripe.freeze` takes them. Other
        sources of means, and epochs without logged weights, pass the check.

    Raises
    ------
    ModelError
        If the digests differ.
    """
    recorded = recorded_weights(data, epoch)
    if recorded is not None and recorded != (mine := fingerprint(model)):
        raise ModelError(
            "the means must be recorded from the weights that the model has (SHA-256 "
            f"{mine[:12]}), got a recording of others ({recorded[:12]}); load the recorded "
            "weights, record this model, or use these means anyway with force=True (--force)"
        )


def recorded_weights(data: Any, epoch: int | None) -> str | None:
    """Return the digest of the weights that `data` was recorded from, None if it is not known."""
    if isinstance(data, Recorded):
        return open_recording(data).weights(epoch)
    if not isinstance(data, pd.DataFrame) or "epoch" not in data or not len(data):
        return None
    digests: dict[str, str | None] = data.attrs.get("weights", {})
    return digests.get(str(data["epoch"].max() if epoch is None else epoch))


def _uncompiled(name: str) -> str:
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def _add(digest: "_Hash", name: str, value: Any) -> None:
    """Add one entry of a state_dict, which may be more than a tensor where a module says so."""
    if isinstance(value, Tensor):
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        if not value.is_meta:
            digest.update(_bytes(value))
    elif isinstance(value, Mapping):
        for key in value:
            _add(digest, f"{name}.{key}", value[key])
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _add(digest, f"{name}.{number}", item)
    else:
        plain = isinstance(value, str | bytes | int | float | torch.dtype | None)
        digest.update(repr((name, value if plain else type(value).__name__)).encode())


def _bytes(value: Tensor) -> memoryview:
    """Return the elements of a tensor in their order, as bytes on the host."""
    value = value.detach()
    if value.is_quantized:
        value = value.dequantize()
    if value.layout != torch.strided:
        value = value.to_dense()
    flat = value.cpu().resolve_conj().resolve_neg().contiguous()
    # A single element is contiguous with any stride, but is viewed as bytes only with stride 1.
    return flat.as_strided((flat.numel(),), (1,)).view(torch.uint8).numpy().data
