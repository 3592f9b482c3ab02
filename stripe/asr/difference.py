"""Compare a network with its folded version."""

from typing import Any

import torch
from torch import Tensor, nn

from stripe.asr.gated import Gated
from stripe.errors import ModelError
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules import undisturbed
from stripe.modules.tensors import tensors_in
from stripe.typed import typed
from stripe.warn import warn

#: Sizes of square images to try without an example.
_SIDES = (32, 64, 96, 128, 224, 256, 299, 384)


def rounding_bound(model: nn.Module) -> float:
    """Return how far rounding may take two networks of the model's number format apart."""
    number_format = next((p.dtype for p in model.parameters()), torch.float32)
    return float(torch.finfo(number_format).eps ** 0.5)


def check_difference(model: nn.Module, error: float) -> None:
    """Raise where the outputs differ by more than rounding; the last guard against a wrong rule."""
    bound = rounding_bound(model)
    if error > bound:
        raise ModelError(
            f"the folded network must compute the same and differs by {error:.2g} of its largest "
            f"output, more than {bound:.2g}; one of its hosts has an unsupported forward pass"
        )


@typed
def largest_difference(before: nn.Module, after: nn.Module, example: Tensor | None = None) -> float:
    """Return the largest difference between two networks' outputs, relative to the largest output.

    For each output, the largest absolute difference is divided by the largest absolute value in
    the output of `before`. If the networks have several outputs, the largest ratio is returned.

    The input is random. It has the shape of `example`, or else consists of two images of the size
    that `before` declares (`img_size`), or else of the first size, from 32 to 384 pixels, that both
    networks accept. Both networks run in evaluation mode with the same seed. The result is NaN,
    with a warning, if no size is accepted, if `before` has no convolution, or if the outputs
    contain no finite floating-point number. It is infinite if the outputs differ in number or
    shape, or if a value is finite in only one of the networks.

    Examples
    --------
    >>> model = stripe.build("resnet20", asr="se", num_classes=10)
    >>> stripe.asr.largest_difference(model, stripe.reparameterize(model)) < 1e-4
    True
    """
    for images in _random_images(before, example):
        try:
            expected, came = (tensors_in(_seeded(network, images)) for network in (before, after))
        except Exception:
            if example is not None:
                raise
            continue
        if len(expected) != len(came):
            return float("inf")
        errors = [relative_difference(*pair) for pair in zip(expected, came, strict=True)]
        compared = [error for error in errors if error == error]
        if not compared:
            warn("the outputs hold no numbers to measure the error with")
        return max(compared, default=float("nan"))
    warn("no input was found to measure the error with; give example=")
    return float("nan")


def _seeded(network: nn.Module, images: Tensor) -> Any:
    with interrupts_held(), undisturbed(network), interrupts_allowed():
        torch.manual_seed(0)
        return network(images)


def relative_difference(expected: Tensor, came: Tensor, least: float = 1e-30) -> float:
    """Return the largest difference of two tensors, relative to the largest value expected.

    If all values are smaller than `least`, the difference is relative to `least`. The result is
    NaN if the tensors hold no finite floating-point number. It is infinite if the shapes differ, or
    if a value is finite in only one of the tensors.
    """
    if expected.shape != came.shape:
        return float("inf")
    if not expected.is_floating_point() or not expected.numel():
        return float("nan")
    finite = expected.isfinite()
    if not torch.equal(finite, came.isfinite()):
        return float("inf")
    expected, came = expected[finite], came[finite]
    if not expected.numel():
        return float("nan")
    return float((expected - came).abs().max() / expected.abs().max().clamp_min(least))


def random_like(example: Tensor) -> Tensor:
    """Return normally distributed numbers in the shape of an example, the same in every call."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(example.shape, generator=generator).to(example)


def _random_images(model: nn.Module, example: Tensor | None) -> list[Tensor]:
    if example is not None:
        return [random_like(example)]
    generator = torch.Generator().manual_seed(0)
    weight = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    shapes = likely_shapes(model)
    return [torch.randn((2, *shape), generator=generator).to(weight) for shape in shapes]


def likely_shapes(model: nn.Module) -> list[tuple[int, ...]]:
    """Return shapes (C, H, W) of images that a network may take, the likeliest first."""
    gates = [module.gate for module in model.modules() if isinstance(module, Gated)]
    inside = {id(module) for gate in gates for module in gate.modules()}
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d) and id(m) not in inside]
    if not convolutions:
        return []
    said: Any = getattr(getattr(model, "patch_embed", model), "img_size", None)  # transformers
    sizes = [tuple(said)] if said else [(side, side) for side in _SIDES]
    return [(convolutions[0].in_channels, *size) for size in sizes]
