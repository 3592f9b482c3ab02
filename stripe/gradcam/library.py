"""All other CAM methods, from the grad-cam library."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_grad_cam
import torch
from jaxtyping import Float, Int64
from pytorch_grad_cam.base_cam import BaseCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from stripe.errors import ModelError, UnknownNameError
from stripe.gradcam.maps import Reshape
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.undisturbed import undisturbed
from stripe.registry import listed


def library_cam(
    method: str,
    model: nn.Module,
    layer: nn.Module,
    images: Float[Tensor, "b c h w"],
    classes: Int64[Tensor, " b"] | None,
    reshape: Reshape,
) -> Float[Tensor, "b h w"]:
    """Compute maps of a batch by a class of the library, such as "EigenCAM".

    Raises
    ------
    UnknownNameError
        If the library has no such class.
    ModelError
        If the computation of the library fails.
    """
    kind = getattr(pytorch_grad_cam, method, None)
    if not (isinstance(kind, type) and issubclass(kind, BaseCAM)):
        names = [name for name, value in vars(pytorch_grad_cam).items()
                 if isinstance(value, type) and issubclass(value, BaseCAM)]  # fmt: skip
        raise UnknownNameError(f"grad-cam has no method {method!r}; it has: {listed(names, 30)}")
    targets = None if classes is None else [ClassifierOutputTarget(int(c)) for c in classes]
    with (
        interrupts_held(),
        undisturbed(model),
        _gradients_kept(model),
        torch.enable_grad(),
        kind(model, [layer], reshape_transform=reshape) as cam,
        interrupts_allowed(),
    ):
        maps = None
        try:
            maps = cam(images.detach().clone().requires_grad_(), targets)
        except (TypeError, AttributeError, IndexError, RuntimeError) as error:
            raise _refused(method, error) from error
    if maps is None:  # the library prints what went wrong inside it, and goes on
        raise _refused(method, "see the line that it printed")
    return torch.from_numpy(maps).to(images.device)


def _refused(method: str, reason: object) -> ModelError:
    return ModelError(
        f"grad-cam's {method} failed ({str(reason).splitlines()[0]}): the layer must be called "
        "once, output features that the scores depend on, and the class must exist"
    )


@contextmanager
def _gradients_kept(model: nn.Module) -> Iterator[None]:
    """Put back the gradients of parameters, which the library sets to zero and adds to."""
    kept = [(parameter, parameter.grad) for parameter in model.parameters()]
    for parameter, _ in kept:
        parameter.grad = None
    try:
        yield
    finally:
        for parameter, gradient in kept:
            parameter.grad = gradient
