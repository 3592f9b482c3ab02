"""Networks by name."""

import pytest
import torch

from stripe import build, list_attentions, list_backbones
from stripe.errors import ModelError, StripeError, UnknownNameError

#: With 100 classes and with 10; they round to the paper's Table 1.
COUNTS = {
    None: (1_727_284, 1_704_154),
    "se": (1_929_388, 1_906_258),
    "ie": (1_743_412, 1_720_282),
    "srm": (1_759_540, 1_736_410),
    "cbam": (1_926_112, 1_902_982),
    "spa": (3_856_180, 3_833_050),
    "dia": (1_946_132, 1_923_002),
}


@pytest.mark.parametrize("attention", COUNTS)
def test_parameter_counts_of_resnet164(attention: str | None) -> None:
    counts = []
    for classes in (100, 10):
        model = build("resnet164", attention=attention, num_classes=classes)
        counts.append(sum(parameter.numel() for parameter in model.parameters()))
    assert tuple(counts) == COUNTS[attention]


def test_names_are_listed() -> None:
    assert "resnet164" in list_backbones()
    assert "se" in list_attentions()


def test_any_depth_of_the_family_builds_and_runs() -> None:
    model = build("resnet29", num_classes=7, in_channels=1).eval()
    assert len(list(model.get_submodule("layer1").children())) == 3
    assert model(torch.randn(2, 1, 28, 28)).shape == (2, 7)


def test_a_seed_draws_the_weights_and_leaves_the_generator() -> None:
    before = torch.get_rng_state()
    models = [build("resnet20", attention="se", seed=seed) for seed in (3, 3, 4)]
    assert torch.equal(torch.get_rng_state(), before)
    first, again, other = (model.get_parameter("fc.weight") for model in models)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"depth 9n \+ 2 .* got 21"):
        build("resnet21")
    with pytest.raises(UnknownNameError, match=r"; give tv:regnet_y_400mf$"):
        build("regnet_y_400mf")
    with pytest.raises(UnknownNameError, match="; give tv:efficientnet_b0 or timm:efficientnet_b0"):
        build("efficientnet_b0")
    with pytest.raises(UnknownNameError, match="; give mine:Net for a function of your own"):
        build("mine.Net")
    with pytest.raises(UnknownNameError, match="; give mine:FUNCTION for a function of your own"):
        build("mine.py")
    with pytest.raises(
        UnknownNameError, match="unknown backbone 'resnext'; the nearest is resnet83; choose"
    ) as caught:
        build("resnext")
    assert str(caught.value).endswith(
        "of the form resnetDEPTH, resnetDEPTH_basic, resnetDEPTH_acnet"
    )


@pytest.mark.parametrize("wrong", [{"num_classes": 0}, {"in_channels": -1}])
def test_a_network_has_classes_and_channels(wrong: dict[str, int]) -> None:
    with pytest.raises(StripeError, match="num_classes and in_channels must be 1 or more, got"):
        build("resnet11", **{"num_classes": 2, **wrong})  # type: ignore[arg-type]
