"""Any network of torchvision or timm."""

from difflib import get_close_matches
from typing import Any

import timm
import torchvision
from torch import nn

from stripe.errors import ModelError, UnknownNameError
from stripe.registry import listed


def full_names(name: str) -> list[str]:
    """Return the names by which `stripe.build` knows a network of torchvision or timm."""
    found = [f"tv:{name}"] * (name in torchvision.models.list_models(module=torchvision.models))
    return [*found, *[f"timm:{name}"] * timm.is_model(name)]


def torchvision_network(
    name: str, *, num_classes: int, in_channels: int, image_size: int | None = None
) -> nn.Module:
    """Build torchvision's classifier `name`, without weights."""
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        close = get_close_matches(name, known, n=8) or known
        raise UnknownNameError(f"torchvision has no network {name!r}; it has: {listed(close)}")
    if in_channels != 3:
        raise ModelError(f"torchvision's networks take 3 channels, got {in_channels}; use timm's")
    options = {"image_size": image_size} if image_size and name.startswith("vit") else {}
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = True
    try:
        model: nn.Module = torchvision.models.get_model(
            name, weights=None, num_classes=num_classes, **options
        )
    except AssertionError as error:  # a size of images that patches do not divide
        raise ModelError(f"torchvision cannot build {name!r}: {error}") from error
    return model


def timm_network(
    name: str, *, num_classes: int, in_channels: int, image_size: int | None = None
) -> nn.Module:
    """Build timm's network `name`, without weights."""
    if not timm.is_model(name.partition(".")[0]):
        known = timm.list_models()
        close = get_close_matches(name, known, n=8) or timm.list_models(f"*{name[:4]}*") or known
        raise UnknownNameError(f"timm has no network {name!r}; it has: {listed(close)}")
    options = {"pretrained": False, "num_classes": num_classes, "in_chans": in_channels}
    if image_size is not None:
        try:
            return _created(name, {**options, "img_size": image_size})
        except TypeError:  # a network that takes images of any size
            pass
    return _created(name, options)


def _created(name: str, options: dict[str, Any]) -> nn.Module:
    try:
        model: nn.Module = timm.create_model(name, **options)
    except (RuntimeError, AssertionError) as error:  # an unknown tag, or a size of images
        raise ModelError(f"timm cannot build {name!r}: {error}") from error
    return model
