"""Folding as a property of the host: whatever its options, folded equals gated."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers.norm_act import GroupNormAct
from timm.layers.std_conv import ScaledStdConv2d, StdConv2d
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torchvision.ops.misc import Conv2dNormActivation

import stripe
from stripe.asr import ASR, Gated
from stripe.asr.channels import ungated
from stripe.errors import ModelError

ATTENTIONS = st.sampled_from(["se", "ie", "srm", "eca", "spa", "cbam", "psi"])
CONVOLUTIONS: list[tuple[Callable[..., nn.Module], int]] = [
    (nn.Conv1d, 1), (nn.Conv2d, 2), (nn.Conv3d, 3),
    (nn.ConvTranspose1d, 1), (nn.ConvTranspose2d, 2), (nn.ConvTranspose3d, 3),
]  # fmt: skip


#: The hosts here take vectors, tokens and volumes, for which no images can be tried.
pytestmark = pytest.mark.filterwarnings("ignore:no input was found")


def check(host: nn.Module, *inputs: Tensor, asr: str, copies: int = 1, **kwargs: Any) -> None:
    """Gate, fold and compare in float64 and float32, and count what is left."""
    torch.manual_seed(0)
    for tensor in [*host.parameters(), *host.buffers()]:
        if tensor.is_floating_point():
            tensor.data = tensor.data + torch.rand_like(tensor)
    keys = list(host.state_dict())
    for dtype, tolerance in ((torch.double, 1e-10), (torch.float, 1e-5)):
        model = nn.Sequential(Wrapped(host)).eval()
        model = stripe.insert(model, asr=asr, sites=["0.host_"], copies=copies).to(dtype)
        for module in model.modules():
            if isinstance(module, ASR):  # another factor for each channel
                module.psi.data = torch.randn_like(module.psi)
        given_inputs = [x.to(dtype) for x in inputs]
        plain = stripe.reparameterize(model)
        before, after = (
            _tensor(network.get_submodule("0")(*given_inputs, **kwargs))
            for network in (model, plain)
        )
        assert (before - after).abs().max() <= tolerance * before.abs().max()
        kept = [key.removeprefix("0.host_.") for key in plain.state_dict()]
        assert set(keys) <= set(kept)  # and an affine map where there was none
        assert not any(isinstance(module, Gated) for module in plain.modules())
        host = ungated(model.get_submodule("0.host_"))


class Wrapped(nn.Module):
    """Call the host with whatever it takes."""

    def __init__(self, host: nn.Module) -> None:
        super().__init__()
        self.host_ = host

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.host_(*args, **kwargs)


def _tensor(output: Any) -> Tensor:
    tensor: Tensor = output[0] if isinstance(output, tuple) else output
    return tensor


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(CONVOLUTIONS),
    groups=st.sampled_from([1, 2, 4]),
    widths=st.tuples(st.integers(1, 3), st.integers(1, 9)),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
    side=st.integers(5, 8),
    asr=ATTENTIONS,
    copies=st.integers(1, 2),
)
def test_convolutions(
    kind: tuple[Callable[..., nn.Module], int],
    groups: int,
    widths: tuple[int, int],
    kernel: int,
    stride: int,
    dilation: int,
    bias: bool,
    side: int,
    asr: str,
    copies: int,
) -> None:
    build, dimensions = kind
    inputs, outputs = (groups * width for width in widths)
    options = {"stride": stride, "dilation": dilation, "groups": groups, "bias": bias}
    host = build(inputs, outputs, kernel, **options)
    x = torch.randn(2, inputs, side, *[6] * (dimensions - 1))
    check(host, x, asr=asr, copies=copies)


NORMS: list[tuple[Callable[[bool], nn.Module], tuple[int, ...]]] = [
    (lambda affine: nn.BatchNorm1d(12, affine=affine), (2, 12, 5)),
    (lambda affine: nn.BatchNorm1d(12, affine=affine), (3, 12)),
    (lambda affine: nn.BatchNorm2d(12, affine=affine), (2, 12, 5, 4)),
    (lambda affine: nn.BatchNorm3d(12, affine=affine), (2, 12, 3, 5, 4)),
    (lambda affine: nn.InstanceNorm2d(12, affine=affine), (2, 12, 5, 4)),
    (lambda affine: nn.InstanceNorm1d(12, affine=affine), (2, 12, 9)),
    (lambda affine: nn.GroupNorm(3, 12, affine=affine), (2, 12, 5, 4)),
    (lambda affine: nn.LayerNorm(12, elementwise_affine=affine), (2, 7, 12)),
    (lambda affine: nn.LayerNorm(12, elementwise_affine=affine), (2, 5, 4, 12)),
    (lambda affine: nn.RMSNorm(12, eps=1e-6, elementwise_affine=affine), (2, 7, 12)),
    (lambda affine: nn.Linear(12, 12, bias=affine), (2, 7, 12)),
    (lambda affine: nn.Linear(12, 12, bias=affine), (2, 12)),
]


@settings(deadline=None, max_examples=60)
@given(norm=st.sampled_from(NORMS), affine=st.booleans(), asr=ATTENTIONS, copies=st.integers(1, 2))
def test_norms_and_linear_layers(
    norm: tuple[Callable[[bool], nn.Module], tuple[int, ...]], affine: bool, asr: str, copies: int
) -> None:
    build, shape = norm
    check(build(affine), torch.randn(shape), asr=asr, copies=copies)


@pytest.mark.parametrize("bias", [True, False])
def test_multi_head_attention(bias: bool) -> None:
    host = nn.MultiheadAttention(16, 4, bias=bias, batch_first=True)
    x = torch.randn(2, 5, 16)
    check(host, x, x, x, asr="se", need_weights=False)


def test_weight_standardised_convolutions() -> None:
    """Their kernels are normalised, so that only gain and bias can take the scale."""
    check(ScaledStdConv2d(4, 8, 3), torch.randn(2, 4, 6, 6), asr="se")


def test_a_norm_with_its_activation_is_gated_between_the_two() -> None:
    """timm's fused norm: the gate may be negative, and the ReLU comes after it."""
    from timm.layers.norm_act import BatchNormAct2d

    model = nn.Sequential(BatchNormAct2d(8)).eval()
    model = stripe.insert(model, asr="psi", psi=-0.5, sites=["0.drop"])
    x = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(model(x), torch.relu(-0.5 * nn.BatchNorm2d(8).eval()(x)))
    plain = stripe.reparameterize(model)
    torch.testing.assert_close(plain(x), model(x))
    assert list(plain.state_dict()) == list(nn.Sequential(BatchNormAct2d(8)).state_dict())
    with pytest.raises(ModelError, match=r"gate its 'drop', which comes before the activation"):
        stripe.reparameterize(
            stripe.insert(nn.Sequential(BatchNormAct2d(8)), asr="se", sites=["0"]).eval()
        )


def test_a_host_that_cannot_fold_is_named_and_the_model_is_left_alone() -> None:
    model = nn.Sequential(nn.BatchNorm2d(4), Scaled()).eval()
    model = stripe.insert(model, asr="psi", sites=["0", "1"])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ModelError, match="cannot fold the ASR at '1': a Scaled cannot take"):
        stripe.reparameterize(model, inplace=True)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


class Scaled(nn.Module):
    """A layer of nobody's library."""

    out_channels = 4

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def test_a_layer_in_two_places_does_not_fold() -> None:
    norm = nn.BatchNorm2d(4)
    model = nn.ModuleDict({"a": norm, "b": nn.Sequential(norm)}).eval()
    model = stripe.insert(model, asr="psi", sites=["a"])
    with pytest.raises(ModelError, match=r"the layer at 'a' is used in 2 places"):
        stripe.reparameterize(model)
    tied = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)).eval()
    tied[1].weight = tied[0].weight
    tied = stripe.insert(tied, asr="psi", sites=["0"])
    with pytest.raises(ModelError, match=r"used in 2 places of the model \(0\.host\.weight, 1\.w"):
        stripe.reparameterize(tied)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (StdConv2d(4, 8, 3), "weight of this StdConv2d may be recomputed"),
        (weight_norm(nn.Conv2d(4, 8, 3)), "may be recomputed"),
        (spectral_norm(nn.Linear(8, 8)), "may be recomputed"),
        (GroupNormAct(8, 4), "a gate after the ReLU inside a GroupNormAct does not fold"),
    ],
)
def test_hosts_that_would_fold_wrongly_are_refused(host: nn.Module, message: str) -> None:
    model = stripe.insert(nn.Sequential(host), asr="se", sites=["0"]).eval()
    with pytest.raises(ModelError, match=message):
        stripe.reparameterize(model)


def test_a_wrong_rule_is_caught_by_the_measured_error() -> None:
    """A layer that squares cannot be scaled through its weight, whatever its class says."""

    class Squares(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) ** 2

    model = nn.Sequential(nn.Conv2d(3, 4, 3), Squares(4)).eval()
    model = stripe.insert(model, asr="psi", sites=["1"])
    with pytest.raises(ModelError, match="must compute the same and differs by"):
        stripe.reparameterize(model)


def test_blocks_of_other_libraries_by_pattern_and_predicate() -> None:
    model = nn.Sequential(Conv2dNormActivation(3, 8), Conv2dNormActivation(8, 8)).eval()
    model = stripe.insert(model, asr="eca", sites="*.1")
    model = stripe.insert(model, asr="ie", sites=lambda layer: isinstance(layer.module, nn.Conv2d))
    x = torch.randn(2, 3, 6, 6)
    plain = stripe.reparameterize(model)
    torch.testing.assert_close(plain(x), model(x))
    assert sum(isinstance(module, Gated) for module in model.modules()) == 4
