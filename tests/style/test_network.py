"""Style networks: sizes, folding, and what batch mates do."""

import pytest
import torch

import stripe
from stripe.errors import DataError, StripeError
from stripe.style import StyleConfig, style_network
from stripe.style.comparison import batch_statistics
from stripe.style.config import SMALLEST, Variant


@pytest.fixture
def batch() -> torch.Tensor:
    return torch.rand(4, 3, 32, 40, generator=torch.Generator().manual_seed(0))


def trained(variant: Variant, batch: torch.Tensor, attention: str = "se") -> torch.nn.Module:
    """Return a small network with statistics and affine parameters that are no defaults."""
    network = style_network(variant, attention=attention, width=4, blocks=2, seed=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    for _ in range(3):
        (network(batch) - batch.flip(0)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return network.eval()


@pytest.mark.parametrize("size", [(SMALLEST, SMALLEST), (33, 50), (9, 64)])
def test_any_size_comes_back(size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size)
    stylised = style_network("in", width=4, blocks=1)(images).detach()
    assert stylised.shape == images.shape
    assert 0 <= float(stylised.min()) <= float(stylised.max()) <= 1


def test_too_small_an_image_is_told() -> None:
    with pytest.raises(DataError, match="at least 8 pixels high and wide, got 7 x 40"):
        style_network("bn", width=4)(torch.rand(1, 3, 7, 40))


def test_variants_begin_with_the_same_convolutions() -> None:
    plain, normed, gated = (style_network(v, seed=3).state_dict() for v in ("in", "bn", "bn+asr"))
    convolutions = [name for name in plain if "conv" in name or "head" in name]
    assert len(convolutions) == 2 * (3 + 2 * 5 + 2 + 1)
    for name in convolutions:
        assert torch.equal(plain[name], normed[name])
        assert torch.equal(plain[name], gated[name])


@pytest.mark.usefixtures("as_a_user")
def test_an_unknown_variant_is_told() -> None:
    with pytest.raises(StripeError, match=r"one of in, bn, bn\+asr, got 'gn'"):
        style_network("gn")  # type: ignore[arg-type]
    with pytest.raises(StripeError, match=r"variant is one of in, bn, bn\+asr, got 'gn'"):
        StyleConfig(variant="gn")  # type: ignore[arg-type]


@pytest.mark.parametrize("attention", ["se", "srm", "psi"])
def test_folded_asr_is_the_plain_network(attention: str, batch: torch.Tensor) -> None:
    network = trained("bn+asr", batch, attention)
    folded = stripe.reparameterize(network)
    plain = style_network("bn", width=4, blocks=2)
    assert folded.state_dict().keys() == plain.state_dict().keys()
    assert sum(p.numel() for p in folded.parameters()) == sum(p.numel() for p in plain.parameters())
    with torch.no_grad():
        assert (network(batch) - folded(batch)).abs().max() < 1e-5
        with batch_statistics(network), batch_statistics(folded):  # type: ignore[arg-type]
            assert (network(batch) - folded(batch)).abs().max() < 1e-5


def test_batch_mates_matter_under_batch_statistics_alone(batch: torch.Tensor) -> None:
    """The first image with its mates, and with others."""
    others = torch.cat([batch[:1], batch[1:].flip(2) ** 3])
    changes = {}
    for variant in ("in", "bn", "bn+asr"):
        network = trained(variant, batch)
        with torch.no_grad():
            alone = [network(images)[0] for images in (batch, others)]
            with batch_statistics(network):  # type: ignore[arg-type]
                among = [network(images)[0] for images in (batch, others)]
        assert float((alone[0] - alone[1]).abs().max()) < 1e-5  # running statistics
        changes[variant] = float((among[0] - among[1]).abs().max())
    assert changes["in"] < 1e-5
    assert changes["bn"] > 1e-3
    assert changes["bn+asr"] > 1e-3
