"""Pass images to a network, under any name of its argument."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from traceback import walk_tb
from typing import Any

import torch
from torch import Tensor, nn

from stripe.errors import ModelError, StripeError
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.memory import is_out_of_memory
from stripe.modules.undisturbed import undisturbed
from stripe.modules.unwrap import device_of

#: Usual names of image arguments that are not the first argument.
_NAMES = ("pixel_values", "input_values", "input_features", "pixel_values_videos", "images", "x")
#: The function in which a convolution fails on an input that does not fit.
_CONVOLVE = nn.Conv2d._conv_forward.__code__
#: Folders of torch and of this package, which traces torch's functions.
_LIBRARIES = (f"{Path(torch.__file__).parent}/", f"{Path(__file__).parents[1]}/")
#: The beginning of torch's error where an exported network is given another shape.
_GUARD = "Guard failed: "


def feed(model: nn.Module, images: Tensor) -> Any:
    """Run `model` on images, on its device, by a positional or keyword argument.

    Images are passed by keyword if the network takes only keyword arguments, or takes text before
    images, as many networks of transformers do. If all parameters of the network are float64, the
    images are converted to float64.

    Raises
    ------
    ModelError
        If the network takes only keyword arguments, and none of them has a common name for images;
        or if it fails on images of a wrong shape or type, and the right one can be determined.
    """
    images = placed(model, images)
    try:
        return _run(model, images)
    except StripeError:  # raised by a hook, which says it all
        raise
    except Exception as error:
        if remedy := _remedy(model, images, error):
            said = str(error).splitlines()[0].rstrip(".")
            raise ModelError(
                f"the network failed on {_described(images)}: {said}; {remedy}"
            ) from error
        error.add_note(f"the network was given {_described(images)}")
        raise


def _run(model: nn.Module, images: Tensor) -> Any:
    name = _keyword(model)
    return model(images) if name is None else model(**{name: images})


def _described(images: Tensor) -> str:
    return f"images {tuple(images.shape)} of {images.dtype}"


def _remedy(model: nn.Module, images: Tensor, error: Exception) -> str:
    """Return the remedy for images on which a network failed; "" if it is not known.

    There is no remedy for an error that the network's own code raises.
    """
    if isinstance(error, AssertionError) and str(error).startswith(_GUARD):
        return (
            "an exported network takes only the shape that it was exported with; give batches of "
            "that shape, also as example= where there is one, or export it with a dynamic batch "
            "size"
        )
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    of_torch = frames[-1].f_code.co_filename.startswith(_LIBRARIES) and str(error)
    if not of_torch or not isinstance(error, RuntimeError | ValueError) or is_out_of_memory(error):
        return ""
    if not (images.is_floating_point() or images.is_complex()):
        return "give images as it was trained with, such as images.float() / 255"
    for frame in reversed(frames):
        if frame.f_code is _CONVOLVE and frame.f_locals["input"] is images:
            return _misfit(frame.f_locals["self"], images)
    convolutions = (module for module in model.modules() if isinstance(module, nn.Conv2d))
    if images.ndim == 3 and any(one.in_channels == images.shape[0] for one in convolutions):
        return "a batch has the shape (N, C, H, W); give images[None] for one image"
    return ""


def _misfit(first: nn.Conv2d, images: Tensor) -> str:
    """Return how images do not fit the convolution that takes them; "" if they do."""
    takes, grey = first.in_channels, images.ndim == 3 and first.in_channels == 1
    if grey or (images.ndim == 4 and images.shape[1] != takes):
        give = "such images"
        if grey:
            give = "images[:, None]"
        elif images.shape[1] == 1:
            give = f"images.expand(-1, {takes}, -1, -1)"
        elif images.shape[3] == takes:
            give = "images.permute(0, 3, 1, 2)"
        return f"the first convolution takes (N, {takes}, H, W); give {give}"
    if images.dtype != first.weight.dtype:
        dtype = first.weight.dtype
        return f"the first convolution has weights of {dtype}; give images.to({dtype})"
    return ""


def tried(model: nn.Module, shape: Sequence[int], remedy: str) -> Any:
    """Run `model` on two images of zeros, (C, H, W), and return its output.

    Raises
    ------
    ModelError
        If it fails. The message names the images and the cause, and ends with `remedy`.
    """
    try:
        with interrupts_held(), undisturbed(model), interrupts_allowed():
            return _run(model, placed(model, torch.zeros(2, *shape)))
    except (RuntimeError, ValueError, IndexError, AssertionError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        size = " x ".join(map(str, shape))
        raise ModelError(f"the network fails with images of {size}: {why}; {remedy}") from error


def placed(model: nn.Module, images: Tensor) -> Tensor:
    """Return images on the device of a network, in float64 if the network is float64 throughout."""
    return images.to(device_of(model), dtype=_number_format(model, images), non_blocking=True)


def _number_format(model: nn.Module, images: Tensor) -> torch.dtype:
    """Return float64 for float32 images if the network is float64, else the images' own dtype."""
    if images.dtype != torch.float32:
        return images.dtype
    formats = (p.dtype for p in model.parameters() if p.is_floating_point())
    # Most networks are decided by their first parameter; there may be thousands.
    exact = next(formats, None) == torch.float64 and all(kind == torch.float64 for kind in formats)
    return torch.float64 if exact else images.dtype


def _keyword(model: nn.Module) -> str | None:
    """Return the keyword under which a network takes images, None for the first argument."""
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):  # a forward without a signature
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    first = next((p.name for p in parameters if p.kind in positional), None)
    names = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return None
    if first is not None:
        takes = {p.name for p in parameters}
        texts = first in ("input_ids", "text", "tokens")
        return next((n for n in _NAMES if n in takes), None) if texts else None
    if not names and any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        names = [_NAMES[0]]
    known = [name for name in _NAMES if name in names]
    if not known and len(names) != 1:
        raise ModelError(
            f"a network must take its images first, or as one of {', '.join(_NAMES)}, and this "
            f"{type(model).__name__} takes {', '.join(names) or 'nothing'} by keyword; put it into "
            "a module whose forward takes the images alone"
        )
    return known[0] if known else names[0]
