"""Asymmetric convolution blocks, as in ACNet."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from stripe.asr.scale_layer import Factors, scale_output
from stripe.asr.sites import RULES, FamilyDefaults
from stripe.asr.sites.rule import named
from stripe.interrupts import interrupts_allowed, interrupts_held

#: Table 10, "gamma" of ResNet-ACNet.
GAMMA = 0.333


class ACBlock(nn.Module):
    """A 3 x 3, a 1 x 3 and a 3 x 1 convolution, each with its batch norm, summed.

    Parameters
    ----------
    in_channels, out_channels, stride
        Channels and stride of each of the three convolutions.
    gamma
        Initial weight of the three batch norms. With a third, the sum of the branches has the scale
        of one convolution with its norm.

    References
    ----------
    Ding, Guo, Ding and Han, "ACNet: Strengthening the Kernel Skeletons for Powerful CNN via
    Asymmetric Convolution Blocks", ICCV 2019, Figure 1; Tables 5 and 10 of the ASR paper. The
    0.333 that Table 10 has under "gamma" for ResNet-ACNet is this weight: it is `gamma_init` in
    ACNet's repository, for its networks on CIFAR, which train under cosine annealing and a weight
    decay of 1e-4 as Table 10 says.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, *, gamma: float = GAMMA
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.square = _branch(in_channels, out_channels, stride, (3, 3), gamma)
        self.row = _branch(in_channels, out_channels, stride, (1, 3), gamma)
        self.column = _branch(in_channels, out_channels, stride, (3, 1), gamma)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the branches."""
        total: Tensor = self.square(x) + self.row(x) + self.column(x)
        return total

    def fuse(self) -> nn.Conv2d:
        """Return the 3 x 3 convolution that computes the same as the block in evaluation mode."""
        fused: list[Any] = [
            fuse_conv_bn_eval(*branch) for branch in (self.square, self.row, self.column)
        ]
        square, row, column = fused
        with interrupts_held(), torch.no_grad(), interrupts_allowed():
            square.weight[:, :, 1:2, :] += row.weight
            square.weight[:, :, :, 1:2] += column.weight
            square.bias += row.bias + column.bias
        convolution: nn.Conv2d = square
        return convolution


def _branch(
    inputs: int, outputs: int, stride: int, kernel: tuple[int, int], gamma: float
) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2)
    norm = nn.BatchNorm2d(outputs)
    nn.init.constant_(norm.weight, gamma)
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    return nn.Sequential(convolution, norm)


class ACBasicBlock(nn.Module):
    """A basic residual block whose two convolutions, with their norms, are `ACBlock`s."""

    expansion = 1

    def __init__(
        self, inputs: int, planes: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = ACBlock(inputs, planes, stride)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = ACBlock(planes, planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Return the features after the block."""
        identity = x if self.downsample is None else self.downsample(x)
        y: Tensor = self.relu(self.conv2(self.relu(self.conv1(x))) + identity)
        return y


@scale_output.register
def _scale_every_branch(layer: ACBlock, v: Factors) -> None:
    for branch in (layer.square, layer.row, layer.column):
        scale_output(branch[1], v)


@RULES.register("acnet")
def acnet_defaults(model: nn.Module) -> FamilyDefaults:
    """Place after the last norms of a block, before the addition (Appendix C, Figure 6)."""
    return named(model, {ACBasicBlock: "conv2"})
