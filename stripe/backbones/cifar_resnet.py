"""The ResNets for small images: bottlenecks of depth 9n + 2, basic blocks of depth 6n + 2."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, conv1x1

from stripe.attention.pool import global_average
from stripe.backbones.acnet import ACBasicBlock, ACBlock
from stripe.backbones.registry import BACKBONES
from stripe.errors import ModelError

WIDTHS = (16, 32, 64)


class CifarResNet(nn.Module):
    """Three stages of n blocks at full, half and quarter resolution, without a max-pool.

    The blocks are torchvision's, or ours for ACNet; the names are torchvision's too: `conv1`,
    `bn1`, `layer1` to `layer3`, `fc`.

    Parameters
    ----------
    block
        Class of the residual blocks.
    blocks
        n, the number of blocks per stage.
    num_classes, in_channels
        As for `stripe.build`.

    References
    ----------
    He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2, and the
    bottlenecks of its Figure 5; Tables 1, 3 and 5 of the ASR paper.
    """

    def __init__(self, block: Any, blocks: int, *, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _stem(block, in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(block, WIDTHS[0], WIDTHS[0], blocks, stride=1)
        self.layer2 = _stage(block, WIDTHS[0] * block.expansion, WIDTHS[1], blocks, stride=2)
        self.layer3 = _stage(block, WIDTHS[1] * block.expansion, WIDTHS[2], blocks, stride=2)
        self.fc = nn.Linear(WIDTHS[2] * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b classes"]:
        """Return the logits of images `x`."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))  # (B, channels, H / 4, W / 4)
        logits: Tensor = self.fc(global_average(x).flatten(1))
        return logits


def _stem(block: Any, inputs: int) -> tuple[nn.Module, nn.Module]:
    """Return the first convolution and its norm; an `ACBlock` has its norms inside."""
    if block is ACBasicBlock:
        return ACBlock(inputs, WIDTHS[0]), nn.Identity()
    convolution = nn.Conv2d(inputs, WIDTHS[0], kernel_size=3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(WIDTHS[0])


def _stage(block: Any, inputs: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    outputs = planes * block.expansion
    project = None
    if stride > 1 or inputs != outputs:
        project = nn.Sequential(conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))
    first = block(inputs, planes, stride, project)
    return nn.Sequential(first, *(block(outputs, planes) for _ in range(blocks - 1)))


def _build(
    block: Any, layers: int, kind: str, depth: int, num_classes: int, in_channels: int
) -> CifarResNet:
    """Build three stages of blocks with `layers` layers each, in a network of `depth` layers."""
    per_n = 3 * layers
    blocks, rest = divmod(depth - 2, per_n)
    if rest or blocks < 1:
        some = ", ".join(str(per_n * n + 2) for n in (2, 3, 9, 18))
        raise ModelError(
            f"a {kind} for small images has depth {per_n}n + 2 ({some} ...), got {depth}; "
            "torchvision's networks are tv:NAME, such as tv:resnet50"
        )
    return CifarResNet(block, blocks, num_classes=num_classes, in_channels=in_channels)


@BACKBONES.register("resnet20", "resnet83", "resnet164", pattern=r"resnet(?P<depth>\d+)")
def bottleneck_resnet(
    depth: int, *, num_classes: int, in_channels: int, image_size: int = 32
) -> CifarResNet:
    """Build the bottleneck ResNet of `depth` 9n + 2; it takes small images of any size."""
    return _build(Bottleneck, 3, "bottleneck ResNet", depth, num_classes, in_channels)


@BACKBONES.register(
    "resnet56_basic", "resnet110_basic", "resnet164_basic", pattern=r"resnet(?P<depth>\d+)_basic"
)
def basic_resnet(
    depth: int, *, num_classes: int, in_channels: int, image_size: int = 32
) -> CifarResNet:
    """Build the basic-block ResNet of `depth` 6n + 2 (Table 5)."""
    return _build(BasicBlock, 2, "basic-block ResNet", depth, num_classes, in_channels)


@BACKBONES.register(
    "resnet56_acnet", "resnet110_acnet", "resnet164_acnet", pattern=r"resnet(?P<depth>\d+)_acnet"
)
def acnet_resnet(
    depth: int, *, num_classes: int, in_channels: int, image_size: int = 32
) -> CifarResNet:
    """Build the basic-block ResNet of `depth` 6n + 2 with ACNet's blocks (Table 5).

    Every 3 x 3 convolution is an `ACBlock`, also in the stem, as in ACNet's own builder.
    """
    return _build(ACBasicBlock, 2, "ACNet", depth, num_classes, in_channels)
