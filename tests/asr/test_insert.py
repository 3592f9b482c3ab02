import pytest
import torch
import torchvision
from torch import nn

from stripe import insert
from stripe.asr import Gated
from stripe.errors import ModelError, UnknownNameError


def gated_names(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, Gated)]


def test_goes_after_the_last_norm_of_every_residual_block() -> None:
    bottlenecks = insert(torchvision.models.resnet50(), attention="se")
    assert len(gated_names(bottlenecks)) == 16
    assert gated_names(bottlenecks)[0] == "layer1.0.bn3"
    basic = insert(torchvision.models.resnet18(), attention="se")
    assert gated_names(basic)[-1] == "layer4.1.bn2"


def test_sites_and_modules_of_ones_own() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Linear(4, 4))
    built = []

    def attention(channels: int) -> nn.Module:
        built.append(channels)
        return nn.Identity()

    assert insert(model, attention=attention, sites=["0"]) is model
    assert built == [6]
    x = torch.randn(2, 3, 4, 4)
    host = model.get_submodule("0.host")(x)
    torch.testing.assert_close(model[0](x), host * host)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(UnknownNameError, match="no layer 'layer9'; it has: conv1, bn1"):
        insert(torchvision.models.resnet18(), attention="se", sites=["layer9"])
    with pytest.raises(UnknownNameError, match="unknown attention module 'sse'"):
        insert(torchvision.models.resnet18(), attention="sse")
    with pytest.raises(ModelError, match="site 'relu' must be a convolution"):
        insert(torchvision.models.resnet18(), attention="se", sites=["relu"])
    with pytest.raises(ModelError, match="no rule says where attention goes in a Sequential"):
        insert(nn.Sequential(nn.Conv2d(3, 6, 1)), attention="se")
