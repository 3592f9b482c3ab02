"""Grad-CAM of one batch, on the device, with gradients only after the layer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from stripe.errors import ModelError
from stripe.gradcam.planes import as_planes
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.feed import feed
from stripe.modules.hooked import Hooks
from stripe.modules.uncompiled import uncompiled
from stripe.modules.undisturbed import undisturbed
from stripe.outputs.scores import scores_in

#: Function from a layer's output to planes (B, C, H, W).
Reshape = Callable[[Tensor], Tensor]
#: Function from a model's output to one score per image, (B,).
Score = Callable[[Any], Tensor]

#: As in pytorch-grad-cam, where a map is divided by its largest value.
_EPSILON = 1e-7


def grad_cam(
    model: nn.Module,
    layer: nn.Module,
    images: Float[Tensor, "b c h w"],
    target: Int64[Tensor, " b"] | Score | None = None,
    *,
    reshape: Reshape | None = None,
    name: str = "layer",
) -> Float[Tensor, "b h w"]:
    """Compute Grad-CAM maps of a batch.

    `cam = relu(sum_c mean_hw(dS / dA_c) A_c)`, where A is the layer's output and S the score of a
    class. Each map is shifted and scaled to [0, 1], and resized bilinearly to the image size.

    Parameters
    ----------
    model
        A classifier; it runs in evaluation and is left as it was, its gradients too.
    layer
        One of its modules, called once.
    images
        On the model's device.
    target
        Classes whose scores are explained, or a function from the model's output to a score of
        each image. Default: the predicted classes.
    reshape
        Function from the layer's output to planes (B, C, H, W). Default: the output must be planes
        or tokens.
    name
        Name of the layer, for messages.

    Raises
    ------
    ModelError
        If the layer is not called or called twice, does not output planes, or the scores do not
        depend on it; or if the model does not output scores (B, classes), a class does not exist,
        or `target` does not return one score per image.

    References
    ----------
    Selvaraju et al., "Grad-CAM", 2017, equations 1 and 2; scaled as in pytorch-grad-cam.
    """
    size = (images.shape[-2], images.shape[-1])
    with (
        interrupts_held(),
        graph_cut(layer, name) as leaves,
        undisturbed(model),
        uncompiled(),
        interrupts_allowed(),
    ):
        score = score_of(model, images, target, leaves, name)
        gradient = _gradient(score, leaves[0], name)
    planes, slopes = (
        reshape(tensor) if reshape else as_planes(tensor, model, size, name)
        for tensor in (leaves[0].detach(), gradient)
    )
    if not slopes.any():
        raise ModelError(
            f"the scores must depend on layer {name!r} by a gradient, and theirs is zero at every "
            "position; choose an earlier layer"
        )
    return weighted(planes, slopes, size)


@contextmanager
def graph_cut(layer: nn.Module, name: str) -> Iterator[list[Tensor]]:
    """Let the graph of gradients begin at the output of a layer; yield a list that gets it."""
    leaves: list[Tensor] = []

    def cut(module: nn.Module, args: Any, output: Any) -> Tensor:
        """Return a copy of the leaf, since what follows may change its input in place."""
        if not isinstance(output, Tensor) or leaves:
            came = "two outputs in one pass" if leaves else type(output).__name__
            raise ModelError(f"layer {name!r} must output one tensor, got {came}; choose another")
        torch.set_grad_enabled(True)
        leaves.append(output.detach().requires_grad_())
        return leaves[0].clone()

    with Hooks() as hooks:
        hooks.after(layer, cut)
        yield leaves


def score_of(
    model: nn.Module,
    images: Float[Tensor, "b c h w"],
    target: Int64[Tensor, " b"] | Score | None,
    leaves: list[Tensor],
    name: str,
) -> Float[Tensor, ""]:
    """Run the model within `graph_cut`, and return the sum of the explained scores."""
    output = feed(model, images)
    if not leaves:
        raise ModelError(f"layer {name!r} was not called; choose a layer that the model calls")
    if callable(target):
        return _of_function(output, target, len(images)).sum()
    return _of_classes(output, target).sum()


def weighted(
    planes: Float[Tensor, "b c h w"], slopes: Float[Tensor, "b c h w"], size: tuple[int, int]
) -> Float[Tensor, "b h2 w2"]:
    """Return the maps from the planes and the gradients of the score by them."""
    weights = slopes.float().mean((2, 3), keepdim=True)
    return _scaled((weights * planes.float()).sum(1).clamp_min(0), size)


def _of_function(output: Any, target: Score, images: int) -> Float[Tensor, " b"]:
    scores = target(output)
    if not isinstance(scores, Tensor) or scores.shape != (images,):
        came = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ModelError(f"target= must return one score per image, ({images},), got {came}")
    return scores


def _of_classes(output: Any, classes: Tensor | None) -> Float[Tensor, " b"]:
    scores = scores_in(output)
    if not isinstance(scores, Tensor) or scores.ndim != 2:
        came = tuple(scores.shape) if isinstance(scores, Tensor) else type(output).__name__
        raise ModelError(
            f"Grad-CAM needs class scores (B, classes) from the model, got {came}; give target=, a "
            "function from its output to one score per image"
        )
    if classes is not None and (int(classes.min()) < 0 or int(classes.max()) >= scores.shape[1]):
        wrong = int(classes.max() if int(classes.min()) >= 0 else classes.min())
        raise ModelError(f"a class lies between 0 and {scores.shape[1] - 1}, got {wrong}")
    chosen = scores.argmax(1) if classes is None else classes
    return scores.gather(1, chosen[:, None]).squeeze(1)


def _gradient(score: Tensor, leaf: Tensor, name: str) -> Tensor:
    found = None
    if score.requires_grad:
        (found,) = torch.autograd.grad(score, leaf, allow_unused=True)
    if found is None:
        raise ModelError(
            f"the scores must depend on layer {name!r} by a gradient, and do not; choose a layer "
            "that they are computed from, and call it without torch.inference_mode"
        )
    return found


def _scaled(cam: Float[Tensor, "b h w"], size: tuple[int, int]) -> Float[Tensor, "b h2 w2"]:
    """Scale each map to [0, 1], resize it, and scale it again, as pytorch-grad-cam does."""
    resized = F.interpolate(_unit(cam)[:, None], size, mode="bilinear", align_corners=False)
    return _unit(resized[:, 0])


def _unit(cam: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    moved = cam - cam.amin((1, 2), keepdim=True)
    return moved / (_EPSILON + moved.amax((1, 2), keepdim=True))
