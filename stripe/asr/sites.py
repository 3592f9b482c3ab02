"""Where attention goes in a network of a known family."""

from torch import nn
from torchvision.models import resnet

from stripe.errors import ModelError

#: The last norm before the addition, by class of residual block (Appendix C, Figure 6).
_LAST_NORM: dict[type[nn.Module], str] = {resnet.Bottleneck: "bn3", resnet.BasicBlock: "bn2"}


def default_sites(model: nn.Module) -> list[str]:
    """Return the names of the layers after which the paper puts attention, in forward order.

    Raises
    ------
    ModelError
        If no block of a known family is in the model.

    References
    ----------
    Appendix C, "Application details".
    """
    sites = [
        f"{name}.{norm}" if name else norm
        for name, module in model.named_modules()
        for block, norm in _LAST_NORM.items()
        if isinstance(module, block)
    ]
    if not sites:
        raise ModelError(
            f"no rule says where attention goes in a {type(model).__name__}; name the layers "
            "with sites=[...]"
        )
    return sites
