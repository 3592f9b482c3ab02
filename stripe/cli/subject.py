"""The options that say which network and which images a command is about."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from stripe.errors import StripeError

if TYPE_CHECKING:
    from torch import nn


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Network:
    """The network that a command is about.

    Parameters
    ----------
    model
        timm:NAME, tv:NAME, module:function, the directory of a training run, or a name for
        stripe.build.
    weights
        A state_dict, as .safetensors or of tensors saved by torch; without it, and without
        --pretrained, the weights are random.
    pretrained
        Fetch the weights that timm or torchvision publish.
    attention
        Attention module, for a name for stripe.build.
    num_classes
        Outputs of the network.
    seed
        Of random weights, and of which images are drawn.
    """

    model: Annotated[str, Parameter(alias="--checkpoint")]
    weights: Path | None = None
    pretrained: Annotated[bool, Parameter(negative=())] = False
    attention: str | None = None
    num_classes: int = 1000
    seed: int = 0

    def load_network(self) -> "nn.Module":
        """Return the network, on the CPU."""
        from stripe.experiments.subject import load_network

        if not self.has_weights():
            print("the weights are random: give --weights or --pretrained", file=sys.stderr)
        return load_network(
            self.model,
            weights=self.weights,
            pretrained=self.pretrained,
            num_classes=self.num_classes,
            attention=self.attention,
            seed=self.seed,
        )

    def has_weights(self) -> bool:
        """Tell whether the network has other weights than random ones."""
        from stripe.experiments.subject import has_weights

        return bool(self.weights) or self.pretrained or has_weights(self.model)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Subject(Network):
    """The network and the images that a command is about.

    Parameters
    ----------
    images
        A folder of images or of class folders, or the data set fashion-mini; by default that of a
        training run.
    image_size
        Side of the images; by default what timm says of the network, or 224.
    batch_size
        Images per forward pass.
    limit
        Use at most so many images; by default all, and of an audit 1,000.
    device
        auto, cpu, cuda or cuda:N.
    """

    images: str | None = None
    image_size: int | None = None
    batch_size: int = 64
    limit: int | None = None
    device: str = "auto"

    def load(self) -> "tuple[nn.Module, Iterable[Any], str]":
        """Return the network on its device, a loader of images, and what they are called."""
        from stripe.experiments.subject import dataset_of, load_images
        from stripe.train.device import resolve_device

        for name in ("batch_size", "limit", "image_size"):
            if (count := getattr(self, name)) is not None and count < 1:
                raise StripeError(f"--{name.replace('_', '-')} must be at least 1, got {count}")
        images = self.images or dataset_of(self.model)
        if images is None and "/" in self.model and not Path(self.model).exists():
            raise StripeError(f"{self.model} does not exist; --model names a network or a run")
        if images is None:
            raise StripeError("--images must name a folder of images or a data set, got nothing")
        network = self.load_network()
        loader = load_images(
            images,
            network,
            image_size=self.image_size,
            batch_size=self.batch_size,
            limit=self.limit,
            seed=self.seed,
        )
        return network.to(resolve_device(self.device)), loader, images
