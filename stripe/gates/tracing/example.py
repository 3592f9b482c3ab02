"""The example images with which a network is traced."""

from typing import Any

from torch import Tensor

from stripe.errors import ModelError
from stripe.warn import warn


def checked_example(example: Any) -> Tensor:
    """Return an example of images; raise an error for anything else, and warn of a single image."""
    if len(valid_example(example)) == 1:
        warn(
            "an example should hold at least 2 images, which show whether a tensor depends on the "
            "image; got 1, which is used twice"
        )
    return valid_example(example)


def valid_example(example: Any) -> Tensor:
    """Return an example of images, or raise an error."""
    if not isinstance(example, Tensor):
        raise ModelError(
            f"an example is a batch of images as a tensor, got {type(example)}; put a model of "
            "several inputs into a module that takes the images alone"
        )
    if example.ndim < 2 or not len(example):
        raise ModelError(
            f"an example is a batch of images (B, C, H, W), got shape {tuple(example.shape)}"
        )
    return example


def some_images(example: Tensor, count: int) -> Tensor:
    """Return the first images of an example; one image alone is repeated."""
    if len(example) == 1:
        return example.expand(count, *example.shape[1:]).contiguous()
    return example[:count]
