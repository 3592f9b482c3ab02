"""The view of the page: the arguments of `stripe.explore`, which its link also holds."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

from stripe.errors import StripeError
from stripe.explorer.slices import Slices
from stripe.plots.choose import one_of

#: The allowed values of each argument with fixed choices, the default first.
CHOICES = {
    "side": ("after", "before", "both"),
    "scale": ("own", "shared"),
    "image_order": ("recorded", "label", "prediction", "mean", "spread", "similarity", "cluster"),
    "channel_order": ("recorded", "mean", "spread"),
    "gate_order": ("depth", "eta2", "spread", "class", "cost"),
}
_NAMES = ("gate", "epoch", *CHOICES, "run", "image", "channel", "zoom")


def checked_view(slices: Slices, view: Mapping[str, Any]) -> dict[str, Any]:
    """Return a view without its None entries, or raise an error.

    Parameters
    ----------
    slices
        The recordings of the page. The first one must have the gate and the epoch.
    view
        Arguments of `stripe.explore`.
    """
    chosen = {name: value for name, value in view.items() if value is not None}
    for name, value in chosen.items():
        one_of("an argument of a view", name, _NAMES)
        if name in CHOICES:
            one_of(name, value, CHOICES[name])
    first = slices.recordings[0]
    if "gate" in chosen:
        first.gate(chosen["gate"])
    if "epoch" in chosen:
        first.weights(chosen["epoch"])  # raises where the epoch was not recorded
    for name in ("run", "image", "channel"):
        if name in chosen and not _is_whole(chosen[name]):
            raise StripeError(f"{name} is a whole number, got {chosen[name]!r}")
    if not 0 <= chosen.get("run", 0) < len(slices.recordings):
        raise StripeError(
            f"run is the place of a recording, 0 to {len(slices.recordings) - 1}, got "
            f"{chosen['run']}"
        )
    if "zoom" in chosen:
        chosen["zoom"] = _zoom(chosen["zoom"])
    return chosen


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _zoom(zoom: Any) -> list[float]:
    """Return left, right, top and bottom as shares of all channels and images."""
    try:
        shares = [float(share) for share in zoom]
    except (TypeError, ValueError):
        shares = []
    if len(shares) != 4 or not (
        0 <= shares[0] < shares[1] <= 1 and 0 <= shares[2] < shares[3] <= 1
    ):
        raise StripeError(
            "zoom is left, right, top and bottom, shares of all channels and images from 0 to 1, "
            f"got {zoom!r}"
        )
    return shares


def code_of(paths: list[str], view: Mapping[str, Any]) -> str:
    """Return the line of code that restores a view."""
    data = repr(paths[0]) if len(paths) == 1 else repr(paths)
    return f"stripe.explore({data}{''.join(f', {name}={value!r}' for name, value in view.items())})"
