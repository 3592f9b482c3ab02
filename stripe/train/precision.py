"""The number format in which a run computes."""

from dataclasses import replace
from typing import Literal, TypeVar

import torch

from stripe.settings import Settings
from stripe.train.run import read_config
from stripe.warn import warn

S = TypeVar("S", bound=Settings)


def native_precision(device: torch.device) -> Literal["bf16", "fp32"]:
    """Return "bf16" for a device that computes in it natively, else "fp32".

    On a CPU without AVX-512, a step in bfloat16 takes six to ten times as long as in float32,
    because convolutions fall back to a loop over images.
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return "bf16" if native else "fp32"


def is_emulated(config: Settings, device: torch.device) -> bool:
    """Return whether a run computes in bfloat16 on a device that does not do so natively."""
    return getattr(config, "precision", None) == "bf16" and native_precision(device) == "fp32"


def slow_precision(device: torch.device) -> str:
    """Return the part of the warning that describes a device that is slow in bfloat16."""
    if device.type == "cuda":
        return "this GPU has no instructions for bfloat16, in which it is slow"
    return "this CPU has no AVX-512, and takes six to ten times as long in bfloat16 as in float32"


def with_precision(config: S, device: torch.device, *, resume: bool, rank: int = 0) -> S:
    """Return the settings of a run, with "auto" replaced by the chosen precision.

    A resumed run keeps its precision on every device. Only rank 0 warns.

    Warns
    -----
    UserWarning
        If the device only emulates the precision.
    """
    if config.precision == "auto":  # type: ignore[attr-defined]  # all trainings have the field
        begun = config.out / "config.json"
        if resume and begun.exists():
            precision = read_config(begun, type(config)).precision  # type: ignore[attr-defined]
        else:
            precision = native_precision(device)
        config = replace(config, precision=precision)  # type: ignore[type-var]  # all are dataclasses
    if rank == 0 and is_emulated(config, device):
        warn(f'{slow_precision(device)}; for a new run, precision "auto" chooses the faster one')
    return config
