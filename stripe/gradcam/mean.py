"""The average Grad-CAM map over many images, and the share of its mass in the centre."""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any, Literal, SupportsIndex

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from stripe import html
from stripe.errors import ModelError, StripeError
from stripe.files import check_target, open_regular, saving
from stripe.gradcam.library import library_cam
from stripe.gradcam.maps import Reshape, Score, grad_cam
from stripe.gradcam.planes import as_planes
from stripe.hooks.batches import numbered_batches
from stripe.modules.progress import progress_bar
from stripe.modules.unwrap import device_of, modules_by_name, unwrapped
from stripe.registry import listed
from stripe.select import Layer, Selection, select
from stripe.typed import typed

_SHARES = ("central_share", "uniform_share")
#: Names of entries in older files.
_OLD_NAMES = {"images": "n_images"}


@dataclass(frozen=True)
class MeanCam:
    """An average Grad-CAM map, with the mean image and the share of mass in the centre.

    Parameters
    ----------
    mean
        Shape (H, W), 0 to 1: the mean over images of the maps, each scaled to [0, 1].
    mean_image
        Shape (C, H, W): the mean of the images, as the network received them.
    n_images
        Number of images.
    central_share
        Share of the mean map's mass in the central quarter of the image (half of its height and
        half of its width), 0 to 1; NaN if the map is 0 everywhere.
    uniform_share
        The same share for a uniform map: 0.25.
    maps
        Shape (images, H, W), one map per image in the order of the loader; None if not requested.

    Examples
    --------
    >>> cam = stripe.mean_cam(model, loader, "layer3")
    >>> 0 <= cam.central_share <= 1
    True
    """

    mean: Float[np.ndarray, "h w"]
    mean_image: Float[np.ndarray, "c h w"]
    n_images: int
    central_share: float
    uniform_share: float
    maps: Float[np.ndarray, "images h w"] | None = None

    @typed
    def save(self, path: str | Path) -> None:
        """Write all fields to a NumPy archive (.npz), which `MeanCam.load` reads.

        Raises
        ------
        StripeError
            If `path` does not end in .npz, or cannot be written.
        """
        arrays = {name: value for name, value in vars(self).items() if value is not None}
        path = Path(path).expanduser()
        check_target(path, (".npz",), "a mean map")
        with saving(path) as draft:
            np.savez_compressed(draft, **arrays)

    @classmethod
    @typed
    def load(cls, path: str | Path) -> "MeanCam":
        """Read a file that `save` wrote, without executing any code in it.

        Raises
        ------
        StripeError
            If the file is missing or damaged, or is not from `save`.
        """
        try:
            with (
                open_regular(Path(path).expanduser()) as opened,
                np.load(opened, allow_pickle=False) as file,
            ):
                found = {_OLD_NAMES.get(name, name): file[name] for name in file.files}
            numbers = {name: found.pop(name).item() for name in ("n_images", *_SHARES)}
            return cls(**numbers, **found)
        except Exception as error:  # a damaged file raises whatever its decoder trips over
            raise StripeError(
                f"{path} is missing or is not a mean map of stripe; stripe cam --save makes one"
            ) from error

    def __repr__(self) -> str:
        height, width = self.mean.shape
        return (
            f"MeanCam({self.n_images} images, {height} x {width}: {self.central_share:.1%} in the "
            f"central quarter, {self.uniform_share:.1%} if uniform)"
        )

    def _repr_html_(self) -> str:
        height, width = self.mean.shape
        facts = {
            "images": self.n_images,
            "size": f"{height} x {width}",
            "in the central quarter": f"{self.central_share:.1%}",
            "if uniform": f"{self.uniform_share:.1%}",
        }
        picture = html.raster(self.mean.astype(np.float32), "the mean map", "mean map")
        return html.summary("Mean Grad-CAM", facts, picture)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the mean map."""
        return np.array(self.mean, dtype=dtype, copy=copy)


@typed
def mean_cam(
    model: nn.Module,
    loader: Iterable[Any],
    layer: Selection | nn.Module,
    *,
    target: Literal["predicted", "label"] | SupportsIndex | Score = "predicted",
    method: str = "GradCAM",
    maps: bool = False,
    reshape: Reshape | None = None,
    progress: bool = True,
) -> MeanCam:
    """Average the Grad-CAM maps of all images of a loader.

    With "GradCAM", all computations run on the model's device. Between batches, only sums are kept,
    on the device. With `maps`, the map of each image is also kept, on the host. Gradients are
    computed with respect to the output of the layer, not the parameters.

    Parameters
    ----------
    model
        A classifier, or another model with a function as `target`. The class scores, (B, classes),
        are the output of the model if it is a tensor, and otherwise its `logits`, its `out` or its
        first tensor, in this order. Modes, gradients and hooks of the model are not changed.
    loader
        Batches of images, or (images, labels). All images have the same size.
    layer
        A layer of the model, usually the last block: the module, its dotted name, or a pattern or a
        predicate of a `stripe.select.Layer` that matches exactly one layer. Its output is features
        (B, C, H, W) or (B, H, W, C), or tokens (B, N, C). For a vision transformer with a class
        token, use the first norm of the last block ("blocks.11.norm1"), because the patch tokens
        that this block outputs do not affect the scores.
    target
        Class whose score is explained: "predicted", "label", or the number of a class. For models
        other than classifiers, a function from the model's output to one score per image, (B,). For
        example, `lambda output: output["out"][:, 3].sum((1, 2))` explains class 3 of a segmentation
        network. A function requires the method "GradCAM".
    method
        "GradCAM", or the name of another class of the grad-cam library.
    maps
        Also return the map of each image.
    reshape
        Function from the layer's output to features (B, C, H, W), for layers whose output has
        another shape.
    progress
        Show a progress bar.

    Returns
    -------
    MeanCam
        The mean map, the mean image, and the share of the map's mass in the centre. `np.asarray` of
        the result returns the mean map.

    Raises
    ------
    UnknownNameError
        If there is no such layer or method. For a layer, the message lists the closest names.
    ModelError
        In one of these cases:

        - several layers are chosen, or `layer` is not a module of the model;
        - the layer is not called exactly once per pass, or has no spatial output;
        - the scores do not depend on the layer;
        - the model does not output class scores, and `target` is not a function;
        - `target` is an unknown text, is not the number of a class, or is a function that does not
          return one score per image;
        - `method` is not "GradCAM", and `target` is a function or the grad-cam library fails;
        - required labels are missing, the loader is empty, or the images differ in size.

    Notes
    -----
    Before averaging, the smallest value of each map is subtracted, and the map is divided by its
    largest value. An image with a faint map therefore counts as much as an image with a strong map.
    Maps of a layer with low resolution are resized to the size of the image, which spreads mass to
    neighbouring pixels.

    References
    ----------
    Section 6 (1) and Figure 4 of the paper.

    Examples
    --------
    >>> cam = stripe.mean_cam(model, loader, "layer3", target="label")
    >>> cam.mean.shape, cam.n_images
    ((28, 28), 8)
    >>> ax = stripe.plots.mean_cam(cam)
    """
    model = unwrapped(model)
    layer, module = _layer(model, layer)
    device = device_of(model)
    total: Tensor | None = None
    image_sum: Tensor | None = None
    kept: list[Tensor] = []
    count = 0
    with progress_bar(loader, "Grad-CAM", progress) as bar:
        for _, batch, labels in numbered_batches(loader):
            images = batch.to(device, non_blocking=True)
            explained = target if callable(target) else _classes(target, labels, images)
            if method == "GradCAM":
                cams = grad_cam(model, module, images, explained, reshape=reshape, name=layer)
            elif callable(explained):
                raise ModelError(
                    f"target= is a function, which {method} does not take; use GradCAM"
                )
            else:
                size = (images.shape[-2], images.shape[-1])
                form = reshape or _planes_of(model, size, layer)
                cams = library_cam(method, model, module, images, explained, form)
            added, shown = cams.double().sum(0), images.double().sum(0)
            if total is None or image_sum is None:
                total, image_sum = added, shown
            elif total.shape != added.shape:
                raise ModelError(
                    f"images must all have one size, got {tuple(total.shape)} and "
                    f"{tuple(added.shape)}; resize them"
                )
            else:
                total, image_sum = total + added, image_sum + shown
            count += len(images)
            if maps:
                kept.append(cams.cpu())
            bar.update()
    if total is None or image_sum is None or not count:
        raise ModelError("a loader must give at least one image, got none")
    mean = (total / count).cpu().numpy()
    return MeanCam(
        mean=mean,
        mean_image=(image_sum / count).cpu().numpy(),
        n_images=count,
        central_share=central_share(mean),
        uniform_share=central_share(np.ones_like(mean)),
        maps=torch.cat(kept).numpy() if maps else None,
    )


@typed
def central_share(cam: Float[np.ndarray, "h w"]) -> float:
    """Return the share of a map's mass in the central half of its rows and columns.

    The mass is the sum of the map. The share is NaN unless the mass is above 0. A pixel on the
    border of the centre counts with the fraction of its area inside the centre. The share of a
    uniform map is therefore 1/4.

    Examples
    --------
    >>> stripe.gradcam.central_share(np.ones((8, 8)))  # a uniform map
    0.25
    """
    rows, columns = (_central_weights(length) for length in cam.shape)
    mass = float(cam.sum())
    return float(rows @ cam @ columns) / mass if mass > 0 else float("nan")


def _central_weights(length: int) -> Float[np.ndarray, " length"]:
    """Return how much of each of `length` pixels lies in the central half."""
    edges = np.clip(np.arange(length + 1), length / 4, 3 * length / 4)
    return np.diff(edges)


def _classes(
    target: str | SupportsIndex, labels: Tensor | None, images: Tensor
) -> Int64[Tensor, " b"] | None:
    if target == "predicted":
        return None
    if target == "label":
        if labels is None:
            raise ModelError("target='label' needs a loader of (images, labels), got images alone")
        return labels.to(images.device).long().view(-1)
    if isinstance(target, str):
        raise ModelError(
            f"a target is 'predicted', 'label', a class number or a function, got {target!r}"
        )
    return torch.full((len(images),), index(target), device=images.device)


def _layer(model: nn.Module, layer: Selection | nn.Module) -> tuple[str, nn.Module]:
    """Return the name of a layer, and the layer."""
    modules = {name: module for name, module in modules_by_name(model).items() if name}
    if isinstance(layer, nn.Module):
        for name, module in modules.items():
            if module is layer:
                return name, module
        raise ModelError(
            f"a layer must be a module of the model, and this {type(layer).__name__} is not one; "
            "give a module of the model, or its name"
        )
    layers = {name: Layer(name, module) for name, module in modules.items()}
    chosen = select(layers, layer, kind="layer")
    if len(chosen) != 1:
        raise ModelError(
            f"layer= must choose one layer, and it chose {len(chosen)}: {listed(chosen, 8)}; name "
            "one of them"
        )
    return chosen[0], modules[chosen[0]]


def _planes_of(model: nn.Module, size: tuple[int, int], layer: str) -> Reshape:
    return lambda output: as_planes(output, model, size, layer)
