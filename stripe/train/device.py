"""The device that a name means, and its hardware name."""

import platform
from pathlib import Path

import torch

from stripe.errors import StripeError
from stripe.modules.cores import usable_cores


def resolve_device(device: str) -> torch.device:
    """Return the device that "auto", "cpu" or "cuda:1" means here."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        resolved = torch.device("meta")
    if resolved.type not in ("cpu", "cuda"):
        raise StripeError(f"a device is auto, cpu, cuda or cuda:N, got {device!r}")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise StripeError(
            f"{device} was requested, and there are {torch.cuda.device_count()} GPUs; use --device "
            "cpu or auto"
        )
    return resolved


def hardware(device: torch.device) -> str:
    """Return the name of a GPU, or of the processor and how many cores this process may use."""
    if device.type == "cuda":
        name: str = torch.cuda.get_device_name(device)
        return name
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {usable_cores()} cores"
