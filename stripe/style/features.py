"""The features of VGG16 that the losses compare."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import VGG16_Weights

from stripe.data.folder import IMAGENET_MEAN, IMAGENET_STD
from stripe.errors import StripeError
from stripe.modules.seeded import seeded
from stripe.train.weights import load_tensors

#: Channels of the convolutions of a VGG16, by stage, up to relu4_3.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))
#: The names of the outputs of each stage, the features that Johnson et al. compare.
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


class VGGFeatures(nn.Module):
    """The convolutions of a VGG16 up to relu4_3, frozen.

    Parameters
    ----------
    stages
        Channels of each convolution, by stage. A file of weights may be of a narrower network.
    """

    def __init__(self, stages: tuple[tuple[int, ...], ...] = STAGES) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self._outputs = []
        inputs = 3
        for stage in stages:
            layers += [nn.MaxPool2d(2)] if layers else []
            for outputs in stage:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            self._outputs.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)
        self.mean: Tensor
        self.std: Tensor
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.eval()

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Return the maps of `LAYERS`, (B, C, H / 2^i, W / 2^i) for i = 0 to 3."""
        x = (images - self.mean) / self.std
        maps = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self._outputs:
                maps.append(x)
        return maps


def load_features(source: str = "imagenet", *, seed: int = 0) -> VGGFeatures:
    """Return the network whose features the losses compare.

    Parameters
    ----------
    source
        "imagenet": torchvision's VGG16, which is downloaded once. "random": the same network with
        random weights; "random:16": a narrower network with 16 channels in the first layer.
        Otherwise a file of weights (.safetensors, or tensors saved by torch) of a VGG16 of any
        width with torchvision's names.
    seed
        Seed of random weights.

    Raises
    ------
    StripeError
        If the weights cannot be fetched or read, or are of another architecture.
    """
    if source.partition(":")[0] == "random":
        return _random(source, seed)
    state = _fetched() if source == "imagenet" else _read(Path(source).expanduser())
    network = VGGFeatures(_stages(state, source))
    wanted = network.state_dict()
    network.load_state_dict({name: state[name] for name in wanted})
    return network


def describe_features(source: str, *, seed: int = 0) -> str:
    """Return the source of the weights of `load_features`, for the captions of pictures."""
    kind, _, width = source.partition(":")
    if kind == "random":
        of_width = f" of width {width}" if width else ""
        return f"VGG16{of_width} with random weights (seed {seed}), not trained on anything"
    return "VGG16 trained on ImageNet" if source == "imagenet" else Path(source).name


def _random(source: str, seed: int) -> VGGFeatures:
    number = source.partition(":")[2] or str(STAGES[0][0])
    if not number.isdecimal() or int(number) < 1:
        raise StripeError(f'random features are "random" or "random:WIDTH", got {source!r}')
    width = int(number)
    stages = tuple(tuple(channels * width // STAGES[0][0] for channels in s) for s in STAGES)
    with seeded(seed):
        network = VGGFeatures(stages)
        for layer in network.features:
            if isinstance(layer, nn.Conv2d):
                nn.init.orthogonal_(layer.weight, gain=2**0.5)  # keeps the size of features
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return network


def _fetched() -> dict[str, Tensor]:
    try:
        weights: dict[str, Tensor] = VGG16_Weights.IMAGENET1K_V1.get_state_dict(
            progress=True, check_hash=True
        )
    except (OSError, RuntimeError) as error:
        raise StripeError(
            f"the weights of torchvision's VGG16 could not be fetched ({error}); give a file of "
            "them with --features FILE, or use --features random, which says so on every picture"
        ) from error
    return weights


def _read(file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        state: Any = load_tensors(file)
    except FileNotFoundError as error:
        raise StripeError(
            f'{file} does not exist; features are "imagenet", "random" or a file of weights'
        ) from error
    except Exception as error:  # damaged files raise many types
        raise StripeError(f"{file} is not a file of weights that holds only tensors") from error
    if not isinstance(state, dict):
        raise StripeError(f"{file} must hold the weights of a VGG16, got a {type(state).__name__}")
    return state


def _stages(state: dict[str, Tensor], source: str) -> tuple[tuple[int, ...], ...]:
    """Return the widths of a VGG16, from the shapes of its weights."""
    wanted = VGGFeatures().state_dict()
    widths = []
    inputs = 3
    for name, of_vgg16 in wanted.items():
        value = state.get(name)
        if not isinstance(value, Tensor) or value.ndim != of_vgg16.ndim:
            raise StripeError(
                f"{source} holds the weights of another architecture: a VGG16 has {name}, of "
                f"{of_vgg16.ndim} dimensions"
            )
        expected: tuple[int, ...] = (inputs,)
        if name.endswith("weight"):
            widths.append(len(value))
            expected = (len(value), inputs, 3, 3)
            inputs = len(value)
        if tuple(value.shape) != expected:
            raise StripeError(
                f"{source} holds the weights of another architecture: {name} must have the shape "
                f"{expected}, got {tuple(value.shape)}"
            )
    of_stage = iter(widths)
    return tuple(tuple(next(of_stage) for _ in stage) for stage in STAGES)
