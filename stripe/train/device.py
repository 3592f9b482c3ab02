"""Which device a name means."""

import torch

from stripe.errors import StripeError


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
            f"{device} was asked for and there are {torch.cuda.device_count()} GPUs; use --device "
            "cpu or auto"
        )
    return resolved
