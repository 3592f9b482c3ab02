"""Run a model whose weights take no gradients."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from stripe.errors import ModelError


@contextmanager
def held_weights(model: nn.Module) -> Iterator[None]:
    """Switch off gradients for all parameters, and restore the previous state on exit.

    A graph that is built inside the block contains no weights that require gradients, so a backward
    pass computes gradients for other tensors only.

    Raises
    ------
    ModelError
        If weights were made under `torch.inference_mode`, whose state cannot be restored.

    Examples
    --------
    >>> from stripe.modules.held_weights import held_weights
    >>> with held_weights(model):
    ...     scores = model(images)
    >>> scores.requires_grad, next(model.parameters()).requires_grad
    (False, True)
    """
    trained = [p for p in model.parameters() if p.requires_grad and p.is_leaf]
    if any(parameter.is_inference() for parameter in trained):
        raise ModelError(
            "gradients cannot pass through weights that were made under torch.inference_mode; make "
            "the network outside of it"
        )
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
