"""Build a network from its name."""

from collections.abc import Callable
from functools import partial

from torch import nn

from stripe.asr import Psi, insert
from stripe.asr.begin import Attention, Init
from stripe.backbones.external import full_names, timm_network, torchvision_network
from stripe.backbones.own import is_function, own_network
from stripe.backbones.registry import BACKBONES
from stripe.defaults import NUM_CLASSES
from stripe.errors import StripeError, UnknownNameError
from stripe.modules.seeded import seeded
from stripe.typed import typed

#: The libraries that "tv:NAME" and "timm:NAME" take networks from.
_LIBRARIES = {"tv": torchvision_network, "timm": timm_network}
#: The endings of files of weights, which are not functions of a module.
_WEIGHTS = ("pth", "pt", "bin", "onnx", "safetensors")


@typed
def build(
    backbone: str,
    *,
    num_classes: int = NUM_CLASSES,
    in_channels: int = 3,
    image_size: int | None = None,
    attention: Attention | None = None,
    asr: Attention | None = None,
    copies: int = 1,
    psi: float | str | Psi | None = None,
    init: Init = "paper",
    seed: int | None = None,
) -> nn.Module:
    """Build a network by name, with attention or ASR where the paper places them.

    Parameters
    ----------
    backbone
        A name from `stripe.list_backbones()`, another depth of a listed family ("resnet29"), a
        network of torchvision ("tv:NAME") or timm ("timm:NAME"), or your own function
        ("module:function"). The function receives num_classes, in_channels and, if it is given,
        image_size, except for those that it does not accept.
    num_classes
        Number of outputs of the last layer.
    in_channels
        Channels of the images: 3 for colour, 1 for grey.
    image_size
        Height and width of the images in pixels. Default: the paper's size for the network. For
        sizes up to 128, the listed networks except ViTs have a stem that keeps the resolution,
        without stride and max-pool. ViTs, and networks of timm that need a fixed size, are built
        for this size. Other networks of torchvision and timm ignore `image_size`.
    attention, asr, copies, psi, init
        As for `stripe.insert`.
    seed
        Seed of the weights. The weights are drawn from torch's CPU generator. With a seed, the
        state of the generator is restored afterwards. Default: the generator is not seeded.

    Returns
    -------
    nn.Module
        The network, in training mode, on the CPU, in float32. A network from your own function
        keeps its mode, device and number format.

    Raises
    ------
    UnknownNameError
        If a name is unknown. The message lists the known names.
    StripeError
        If `num_classes` or `in_channels` is below 1.
    ModelError
        In one of these cases:

        - the family has no network of the given depth, or `image_size` does not fit a listed ViT;
        - `in_channels` is not 3 for a network of torchvision;
        - your own function does not exist, fails, or returns something other than an `nn.Module`;
        - `stripe.insert` raises it.

    Examples
    --------
    >>> model = stripe.build("resnet164", attention="se", num_classes=100)
    >>> sum(parameter.numel() for parameter in model.parameters())
    1929388
    """
    if num_classes < 1 or in_channels < 1:
        raise StripeError(
            f"num_classes and in_channels must be 1 or more, got {num_classes} and {in_channels}"
        )
    builder = _builder(backbone)
    size = {} if image_size is None else {"image_size": image_size}
    with seeded(seed):
        model: nn.Module = builder(num_classes=num_classes, in_channels=in_channels, **size)
        if attention is not None or asr is not None:
            insert(
                model, attention=attention, asr=asr, copies=copies, psi=psi, init=init, inplace=True
            )
        return model


def _builder(backbone: str) -> Callable[..., nn.Module]:
    if is_function(backbone):
        return partial(own_network, backbone)
    library, colon, name = backbone.partition(":")
    if colon:
        return partial(_LIBRARIES[library], name)
    try:
        return BACKBONES[backbone]
    except UnknownNameError:
        meant = full_names(backbone)
        module, dot, function = backbone.rpartition(".")
        named = backbone.replace(".", "").isidentifier() and function not in _WEIGHTS
        if not meant and dot and named:
            wanted = "FUNCTION" if function == "py" else function
            meant = [f"{module}:{wanted} for a function of your own"]
        if not meant:
            raise
    raise UnknownNameError(f"unknown backbone {backbone!r}; give {' or '.join(meant)}")
