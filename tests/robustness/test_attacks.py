"""Attacks on networks of any task: accuracy, or agreement with predictions without noise."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import stripe
from stripe.errors import DataError, ModelError, StripeError
from stripe.robustness import attack

QUIET: Any = {"progress": False}


class Masks(nn.Module):
    """A mask of the places where the normalised image is above 0.3."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, affine=False, eps=0)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": self.norm(x).clamp(0, 1)}


@pytest.fixture
def masks() -> nn.Module:
    return Masks().eval()


IMAGES = torch.tensor([[[[0.0, 0.5, 1.0, 2.0]]], [[[-3.0, -2.0, -1.0, 0.5]]]])


def test_masks_under_noise(masks: nn.Module) -> None:
    table = attack(masks, [IMAGES], ["constant:1,-0.5", "constant:1,1", "random:0,0"], **QUIET)
    assert table["noise"].tolist() == ["none", "constant:1,-0.5", "constant:1,1", "random:0,0"]
    # Without noise 3 and 1 places are in the masks. Minus 0.5 leaves 2 of 3, and none of 1; plus 1
    # adds the first place of the first image: 3 of 4. In the second the places stay.
    assert table["agreement"].tolist() == pytest.approx([1, (2 / 3 + 0) / 2, (3 / 4 + 1) / 2, 1])
    assert (table["agreement_low"] <= table["agreement"]).all()
    assert table["accuracy"].isna().all()
    assert table["images"].tolist() == [2] * 4


def test_predictions_and_agreement_of_ones_own(masks: nn.Module) -> None:
    """The task is to count places, and a count may be off by one."""
    labels = torch.tensor([3, 1])
    table = attack(
        masks, [(IMAGES, labels)], ["constant:1,-0.5", "constant:1,9"],
        predict=lambda output: (output["out"] > 0.3).flatten(1).sum(1),
        agree=lambda one, other: float(abs(one - other) <= 1), **QUIET,
    )  # fmt: skip
    assert table["agreement"].tolist() == [1, 1, 0.5]  # 3 and 1; 2 and 0; 4 and 4
    assert table["accuracy"].tolist() == [1, 0, 0]


def test_a_shuffled_loader_is_compared_image_by_image(masks: nn.Module) -> None:
    x = torch.randn(30, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(TensorDataset(x, torch.arange(30)), batch_size=7, shuffle=True)
    table = attack(masks, loader, ["constant:1,0", "constant:1,0.2"], **QUIET)
    plain = attack(masks, [(x, torch.arange(30))], ["constant:1,0", "constant:1,0.2"], **QUIET)
    assert table["agreement"].tolist() == pytest.approx(plain["agreement"].tolist())
    assert table["agreement"][1] == 1
    assert 0 < table["agreement"][2] < 1


class Fragile(nn.Module):
    """A classifier whose scores are infinite less infinite where its input is large."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, affine=False, eps=0)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x).flatten(1)[:, :2]
        y = y.where(y < 5, torch.inf)
        return torch.cat([y, y - y], 1)


def test_scores_that_become_nan_count_as_changed_and_wrong() -> None:
    table = attack(Fragile().eval(), [(IMAGES, torch.tensor([1, 2]))], ["constant:1,4.6"], **QUIET)
    assert table["accuracy"].tolist() == [1, 0]  # NaN, and then 0 instead of 2
    assert table["agreement"].tolist() == [1, 0]


class Shrinking:
    """A loader that gives fewer images in each pass."""

    def __init__(self) -> None:
        self.left = 3

    def __iter__(self) -> Iterator[Tensor]:
        self.left -= 1
        return iter([IMAGES] * self.left)


def test_bad_input_is_one_line(masks: nn.Module) -> None:
    noise = ["constant:1,0"]
    cases: dict[str, tuple[Any, dict[str, Any], type[StripeError]]] = {
        "in several passes .* got list_iterator;": (iter([IMAGES]), {}, DataError),
        "same images in every pass, got 4 images, and 2 images": (Shrinking(), {}, DataError),
        "at least one batch, got none": ([], {}, StripeError),
        "got NaN for 1 of 2 images": ([IMAGES.where(IMAGES > -3, torch.nan)], {}, ModelError),
        "one prediction for each image, got 3 for 2 images;":
            ([IMAGES], {"predict": lambda o: [1, 2, 3]}, StripeError),
        "unknown agreement 'same'": ([IMAGES], {"agree": "same"}, StripeError),
        "must return a number from 0 to 1 .*, got 2.0":
            ([IMAGES], {"agree": lambda a, b: 2.0}, ModelError),
    }  # fmt: skip
    for message, (loader, given, kind) in cases.items():
        with pytest.raises(kind, match=rf"\A[^\n]*{message}[^\n]*\Z"):
            attack(masks, loader, noise, **given, **QUIET)
    with torch.no_grad():
        assert torch.equal(masks(IMAGES)["out"], IMAGES.clamp(0, 1))  # no noise is left


def test_an_attack_within_an_intervention_and_under_autocast(
    small_model: nn.Sequential, images: Tensor
) -> None:
    loader, noise = [(images, torch.arange(10) % 3)], ["constant:0.5,0.5"]
    with stripe.intervene(small_model, "one", example=images):
        inside = attack(small_model, loader, noise, **QUIET)
        with torch.no_grad():
            scores = small_model.eval()(images)
    assert inside["agreement"][0] == 1
    right = (scores.argmax(1) == loader[0][1]).float().mean()
    assert inside["accuracy"][0] == pytest.approx(float(right))
    with torch.autocast("cpu", torch.bfloat16):
        assert attack(small_model, loader, noise, **QUIET)["agreement"].between(0, 1).all()


@pytest.mark.usefixtures("as_a_user")
def test_the_figure_of_the_agreement(masks: nn.Module) -> None:
    table = attack(masks, [IMAGES], ["constant:1,-0.5"], **QUIET).assign(network="masks")
    axes = stripe.plots.noise_robustness(table, measure="agreement")
    (line,) = (container[0] for container in axes.containers)
    assert line.get_ydata() == pytest.approx([100, 100 / 3])
    assert axes.get_ylabel() == "agreement with no noise (%)"
    with pytest.raises(StripeError, match="a measure is one of accuracy, agreement, got 'kl'"):
        stripe.plots.noise_robustness(table, measure="kl")  # type: ignore[arg-type]


def test_an_attack_counts_right_answers() -> None:
    """One norm in front of a fixed rule: the noise moves what it says by a known amount."""
    linear = nn.Linear(1, 2)
    model = nn.Sequential(nn.BatchNorm2d(1, affine=False), nn.Flatten(), linear).eval()
    linear.weight.data = torch.tensor([[-1.0], [1.0]])
    linear.bias.data.zero_()
    values = torch.tensor([-3.0, -1.0, 1.0, 3.0]).view(4, 1, 1, 1)
    labels = torch.tensor([0, 0, 1, 1])
    table = attack(
        model,
        [(values, labels)],
        ["constant:1,2", "constant:1,9", "random:0,0"],
        seeds=[0, 1],
        progress=False,
    )
    assert table["noise"].tolist() == ["none", "constant:1,2", "constant:1,9", *["random:0,0"] * 2]
    assert table["accuracy"].tolist() == [1, 0.75, 0.5, 1, 1]
    assert table["images"].tolist() == [4] * 5
    with pytest.raises(StripeError, match="use when=eval"):
        attack(model, [(values, labels)], ["constant:1,2,when=train"], progress=False)
    with pytest.raises(StripeError, match="at least one seed"):
        attack(model, [(values, labels)], ["batch"], seeds=[], progress=False)
