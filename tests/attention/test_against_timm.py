"""ECA and CBAM against timm's modules, given the same weights."""

import torch
from timm.layers.cbam import CbamModule
from timm.layers.eca import EcaModule

from stripe.attention import CBAM, ECA


def test_eca() -> None:
    torch.manual_seed(0)
    ours, theirs = ECA(64), EcaModule(64)
    theirs.conv.load_state_dict(ours.conv.state_dict())
    x = torch.randn(3, 64, 5, 7)
    torch.testing.assert_close(x * ours(x), theirs(x))


def test_cbam() -> None:
    torch.manual_seed(0)
    ours, theirs = CBAM(32), CbamModule(32, rd_ratio=1 / 16, rd_divisor=1).eval()
    theirs.channel.fc1.load_state_dict(ours.channel.reduce.state_dict())
    theirs.channel.fc2.load_state_dict(ours.channel.expand.state_dict())
    theirs.spatial.conv.conv.load_state_dict(ours.spatial.conv.state_dict())
    theirs.spatial.conv.bn.eps = 0.0  # its batch norm, that ours has not, as an identity
    x = torch.randn(3, 32, 9, 8)
    torch.testing.assert_close(x * ours(x), theirs(x))
