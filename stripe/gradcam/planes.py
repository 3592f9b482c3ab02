"""The output of a layer as planes: features unchanged, tokens by their grid."""

from math import isqrt

from jaxtyping import Float
from torch import Tensor, nn

from stripe.errors import ModelError


def as_planes(
    output: Tensor, model: nn.Module, size: tuple[int, int], layer: str
) -> Float[Tensor, "b c h w"]:
    """View the output of a layer as planes.

    Parameters
    ----------
    output
        Features (B, C, H, W); features (B, H, W, C), as in Swin, if only this form fits the aspect
        ratio of the images; or tokens (B, N, C) of a grid of patches with the aspect ratio of the
        images, after class and register tokens.
    model
        The network. Its `patch_embed.grid_size`, if it has one (as in timm), is the grid.
    size
        Height and width of the images.
    layer
        Name of the layer, for messages.

    Raises
    ------
    ModelError
        If the output has no spatial form.
    """
    if output.ndim == 4:
        planes = _channels_first(output, size)
        if planes.shape[-2] * planes.shape[-1] == 1:
            raise ModelError(
                f"layer {layer!r} has no spatial output, got {tuple(output.shape)}; choose one "
                "before the pooling"
            )
        return planes
    if output.ndim != 3:
        raise ModelError(
            f"layer {layer!r} must output features (B, C, H, W) or tokens (B, N, C), got "
            f"{tuple(output.shape)}; choose a layer before the pooling, or give reshape="
        )
    height, width, prefix = _grid(output.shape[1], model, size, layer)
    patches: Tensor = output[:, prefix:].unflatten(1, (height, width))
    return patches.permute(0, 3, 1, 2)


def _channels_first(output: Tensor, size: tuple[int, int]) -> Float[Tensor, "b c h w"]:
    """Return features as (B, C, H, W), whose form is found from the aspect ratio of the images."""

    def fits(height: int, width: int) -> bool:
        return abs(height - width * size[0] / size[1]) < max(1.0, size[0] / size[1])

    _, first, second, third = output.shape
    if not fits(second, third) and fits(first, second):
        return output.permute(0, 3, 1, 2)
    return output


def _grid(tokens: int, model: nn.Module, size: tuple[int, int], layer: str) -> tuple[int, int, int]:
    """Return rows and columns of the patches, and how many tokens come before them."""
    said = getattr(getattr(model, "patch_embed", None), "grid_size", None)
    if said is not None and 0 <= (prefix := tokens - said[0] * said[1]) < 16:
        return said[0], said[1], prefix
    for prefix in (0, 1, 2, 4, 5, 8, 9):  # class, distillation and register tokens
        rows = isqrt(max(0, tokens - prefix) * size[0] // size[1])
        columns = rows * size[1] // size[0]
        if 0 < rows * columns == tokens - prefix:
            return rows, columns, prefix
    raise ModelError(
        f"the {tokens} tokens of layer {layer!r} must be a grid of patches for images of "
        f"{size[0]} x {size[1]}, after class or register tokens, and are not; give reshape="
    )
