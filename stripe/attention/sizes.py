"""The sizes of the layers in an attention module."""

from stripe.errors import StripeError


def at_least_one(**sizes: int) -> None:
    """Raise a `StripeError` if a size is below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise StripeError(f"{name} must be at least 1, got {size}")


def hidden_units(channels: int, reduction: int) -> int:
    """Return the number of hidden units: `channels / reduction`, rounded down, but at least 1."""
    at_least_one(channels=channels, reduction=reduction)
    return max(1, channels // reduction)
