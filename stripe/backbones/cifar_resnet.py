"""The bottleneck ResNet for small images, of depth 9n + 2."""

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, conv1x1

from stripe.attention.pool import global_average
from stripe.backbones.registry import BACKBONES
from stripe.errors import ModelError

WIDTHS = (16, 32, 64)


class CifarResNet(nn.Module):
    """Three stages of n bottlenecks at full, half and quarter resolution, without a max-pool.

    The blocks are torchvision's `Bottleneck`, the names torchvision's too: `conv1`, `bn1`,
    `layer1` to `layer3`, `fc`.

    Parameters
    ----------
    blocks
        n, the number of bottlenecks per stage; the depth is 9n + 2.
    num_classes, in_channels
        As for `stripe.build`.

    References
    ----------
    He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2, with the
    bottlenecks of its Figure 5; Tables 1 and 3 of the ASR paper.
    """

    def __init__(self, blocks: int, *, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, WIDTHS[0], kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(WIDTHS[0], WIDTHS[0], blocks, stride=1)
        self.layer2 = _stage(WIDTHS[0] * Bottleneck.expansion, WIDTHS[1], blocks, stride=2)
        self.layer3 = _stage(WIDTHS[1] * Bottleneck.expansion, WIDTHS[2], blocks, stride=2)
        self.fc = nn.Linear(WIDTHS[2] * Bottleneck.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b classes"]:
        """Return the logits of images `x`."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))  # (B, 256, H / 4, W / 4)
        logits: Tensor = self.fc(global_average(x).flatten(1))
        return logits


def _stage(inputs: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    outputs = planes * Bottleneck.expansion
    project = nn.Sequential(conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))
    first = Bottleneck(inputs, planes, stride, project)
    return nn.Sequential(first, *(Bottleneck(outputs, planes) for _ in range(blocks - 1)))


@BACKBONES.register("resnet20", "resnet83", "resnet164", pattern=r"resnet(?P<depth>\d+)")
def cifar_resnet(depth: int, *, num_classes: int, in_channels: int) -> CifarResNet:
    """Build the bottleneck ResNet of `depth` 9n + 2 for small images."""
    blocks, rest = divmod(depth - 2, 9)
    if rest or blocks < 1:
        raise ModelError(
            f"a bottleneck ResNet for small images has depth 9n + 2 (20, 29, ... 83, ... 164), "
            f"got {depth}"
        )
    return CifarResNet(blocks, num_classes=num_classes, in_channels=in_channels)
