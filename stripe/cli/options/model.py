"""The options that choose the network and the images of a command."""

import math
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from stripe.cli.options.groups import IMAGES, NETWORK
from stripe.cli.options.ranges import Count, CountOrNone, Seed, ShareAboveZeroOrNone
from stripe.defaults import BATCH_SIZE, NUM_CLASSES
from stripe.errors import StripeError

if TYPE_CHECKING:
    from torch import nn

#: An option that takes one number or several.
_Pixels = Parameter(consume_multiple=1, negative=(), group=IMAGES)
_Flag = Parameter(negative=())
#: The help lists --model, --images and --device first; others have a heading.
_OfNetwork, _OfImages = Parameter(group=NETWORK), Parameter(group=IMAGES)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Network:
    """The network of a command.

    Parameters
    ----------
    model
        Network: timm:NAME, tv:NAME (torchvision), module:function, the directory of a training run,
        a name for stripe.build, or an ONNX file (for gates, record, freeze and audit).
    weights
        File of weights: a state_dict in .safetensors format, or saved by torch. Default: the
        weights of the run or of --pretrained, or else random weights.
    pretrained
        Download the weights that timm or torchvision publish.
    attention
        Attention module to insert, if --model is a name for stripe.build.
    num_classes
        Number of outputs of the network.
    seed
        Seed of random weights, and of the sample and the order of images.
    """

    model: Annotated[str, Parameter(alias="--checkpoint")]
    weights: Annotated[Path | None, _OfNetwork] = None
    pretrained: Annotated[bool, _Flag, _OfNetwork] = False
    attention: Annotated[str | None, _OfNetwork] = None
    num_classes: Annotated[Count, _OfNetwork] = NUM_CLASSES
    seed: Annotated[Seed, _OfNetwork] = 0

    def load_network(self, *, onnx: bool = False) -> "nn.Module":
        """Return the network, on the CPU. `onnx` says whether it may be an ONNX file."""
        from stripe.backbones.own import is_function
        from stripe.cli.options.load_network import is_onnx, load_network

        if onnx and is_onnx(self.model):
            for name in ("weights", "pretrained", "attention"):
                if getattr(self, name):
                    raise StripeError(f"an ONNX file has its weights; leave --{name} out")
            from stripe.onnx import OnnxNetwork

            return OnnxNetwork(self.model)
        network = load_network(
            self.model,
            weights=self.weights,
            pretrained=self.pretrained,
            num_classes=self.num_classes,
            attention=self.attention,
            seed=self.seed,
            data_root=getattr(self, "data_root", None),
        )
        if not self.has_weights():
            print("the weights are random: give --weights or --pretrained", file=sys.stderr)
        elif is_function(self.model) and not self.weights:
            print(
                f"the weights are those that {self.model} returns; to load others, give --weights. "
                f"Seed of random weights: {self.seed}",
                file=sys.stderr,
            )
        return network

    def has_weights(self) -> bool:
        """Tell whether the network has other weights than random ones."""
        from stripe.cli.options.load_network import has_weights

        return bool(self.weights) or self.pretrained or has_weights(self.model)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Source(Network):
    """The network and the images of a command.

    Parameters
    ----------
    images
        Folder of images or of one folder per class, or a data set such as fashion-mini,
        photo-patches, cifar100 or imagenet. Default: the test images of the training run.
    image_size
        Height and width of the images in pixels, such as 224 or 48x192. Default: the size of the
        training run. Without a run, images of a data set keep their size, and images of a folder
        get the size of timm's configuration, or else 224.
    mean
        Mean of the pixels, scaled to [0, 1]: one number, or one per channel. Default: the mean of
        the training run or of timm's configuration, or else that of the data set (for a folder,
        ImageNet's).
    std
        Standard deviation of the pixels, as for --mean.
    crop
        Share of one side of the resized image that the centre crop keeps (for square crops, the
        shorter side), above 0 and at most 1. Default: 1 for a data set; for a folder, the share
        with which the training run was tested, that of timm's configuration, or else 0.875.
    data_root
        Folder that holds data sets. Default: the folder of the training run, or else data.
    batch_size
        Number of images per forward pass.
    limit
        Largest number of images. Default: 1,000 for audit, ablate and sensitivity, otherwise all.
        bound uses only the first batch.
    skip_broken
        Skip unreadable images in a folder, and print their number. Without this option,
        such an image raises an error.
    device
        Device: auto, cpu, cuda or cuda:N.
    """

    images: str | None = None
    image_size: Annotated[str | None, _OfImages] = None
    mean: Annotated[tuple[str, ...] | None, _Pixels] = None
    std: Annotated[tuple[str, ...] | None, _Pixels] = None
    crop: Annotated[ShareAboveZeroOrNone, _OfImages] = None
    data_root: Annotated[Path | None, _OfImages] = None
    batch_size: Annotated[Count, _OfImages] = BATCH_SIZE
    limit: Annotated[CountOrNone, _OfImages] = None
    skip_broken: Annotated[bool, _Flag, _OfImages] = False
    device: str = "auto"

    def load(
        self, *, onnx: bool = False, mixed: bool = False, limit: int | None = None
    ) -> "tuple[nn.Module, Iterable[Any], str]":
        """Return the network on its device, a loader of images, and the name of the images.

        Parameters
        ----------
        onnx
            Whether the network may be an ONNX file.
        mixed
            Read folders in a random order, for results that depend on which images share a batch.
        limit
            Largest number of images without --limit. Default: no limit.
        """
        from stripe.cli.options.images import load_images
        from stripe.cli.options.load_network import dataset_of, run_of
        from stripe.train.device import resolve_device

        device = resolve_device(self.device)
        size, mean, std = image_side(self.image_size), _numbers("mean", self), _numbers("std", self)
        run = run_of(self.model)
        images = self.images or dataset_of(run)
        if images is None and "/" in self.model and not Path(self.model).exists():
            raise StripeError(f"{self.model} does not exist; --model names a network or a run")
        if images is None:
            raise StripeError(
                "--images must name a folder of images or a data set, such as fashion-mini, got "
                "nothing"
            )
        network = self.load_network(onnx=onnx)
        loader, prepared = load_images(
            images,
            network,
            run=run,
            image_size=size,
            mean=mean,
            std=std,
            crop=self.crop,
            batch_size=self.batch_size,
            limit=limit if self.limit is None else self.limit,
            seed=self.seed,
            data_root=self.data_root,
            skip_broken=self.skip_broken,
            mixed=mixed,
        )
        print(prepared, file=sys.stderr)
        return network.to(device), loader, images


def image_side(text: str | None) -> tuple[int, int] | None:
    """Return height and width from text such as "48x192" or "224"; None for None."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)(?:[xX](\d+))?", text)
    height, width = (int(side) for side in (found[1], found[2] or found[1])) if found else (0, 0)
    if min(height, width) < 2:
        raise StripeError(
            f"--image-size is a side or HEIGHTxWIDTH, at least 2, as 224 or 48x192; got {text!r}"
        )
    return height, width


def _numbers(name: str, options: Source) -> tuple[float, ...] | None:
    """Return the numbers of an option, with spaces or commas between them."""
    given = getattr(options, name)
    if given is None:
        return None
    try:
        numbers = tuple(float(number) for text in given for number in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(math.isfinite(number) for number in numbers):
        raise StripeError(f"--{name} is a number, or one per channel, got {' '.join(given)!r}")
    return numbers
