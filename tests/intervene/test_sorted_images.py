"""Results do not depend on a loader that gives its images class by class, or a warning says so."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import stripe
from stripe.audit.images import gather
from stripe.errors import StripeError
from stripe.hooks.mixed import mixed, sorted_by_class
from stripe.intervene.ablate import ablate
from stripe.intervene.optimal import optimal_constants
from stripe.outputs.scores import divergence
from stripe.robustness import NoiseSpec, attack

CLASSES, EACH, BATCH = 4, 128, 16


class OfClass(nn.Module):
    """A gate that is open for the channel of the class, and closed for the others."""

    def __init__(self, slopes: Sequence[float] = (6.0,) * CLASSES) -> None:
        super().__init__()
        self.gate = nn.Sigmoid()
        self.slopes = nn.Buffer(torch.tensor(slopes).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Any:
        squeezed = x.mean((2, 3), keepdim=True)
        return (x * self.gate(self.slopes * squeezed - 3)).mean((2, 3))


@pytest.fixture
def model() -> nn.Module:
    return OfClass().double().eval()


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(CLASSES * EACH, CLASSES, 2, 2, dtype=torch.float64, generator=generator)
    return noise / 4 + torch.eye(CLASSES).repeat_interleave(EACH, 0)[:, :, None, None]


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(CLASSES).repeat_interleave(EACH)


def in_batches(images: Tensor, labels: Tensor) -> list[Any]:
    return list(zip(images.split(BATCH), labels.split(BATCH), strict=True))


def shuffled(images: Tensor, labels: Tensor) -> list[Any]:
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))
    return in_batches(images[order], labels[order])


def test_mixed_keeps_images_labels_sizes_and_kinds(images: Tensor, labels: Tensor) -> None:
    given = [*in_batches(images, labels), images[:3].float(), (images[:5, :, :1], None)]
    found = mixed(given)
    assert [type(batch) for batch in found] == [type(batch) for batch in given]
    assert torch.equal(found[-2].sort(0).values, given[-2].sort(0).values)
    assert found[-1][1] is None
    several = found[:-2]
    assert [len(batch) for batch, _ in several] == [BATCH] * 32
    assert all(len(of.unique()) > 1 for _, of in several)
    again = torch.cat([of for _, of in several]).sort(stable=True)
    rows = torch.cat([batch for batch, _ in several])[again.indices]
    assert torch.equal(again.values, labels)
    for number in range(CLASSES):
        expected, got = (part[labels == number].flatten(1) for part in (images, rows))
        assert {tuple(row) for row in expected.tolist()} == {tuple(row) for row in got.tolist()}


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([[0, 0], [1, 1]], True),
        ([[0, 0, 1], [1, 2, 2]], True),
        ([[1, 1], [0, 0]], True),
        ([[3, 3], [1, 1], [2, 2]], True),
        ([[0, 0], [], [1, 1]], True),
        ([[0, 1], [0, 1]], False),
        ([[0, 0], [1, 1], [0, 0]], False),
        ([[0, 0, 1, 1]], False),
        ([[0, 0], [0, 0]], False),
        ([[0, 1], [2, 3]], False),
        ([[], []], False),
    ],
)
def test_order_of_classes(batches: list[list[int]], expected: bool) -> None:
    assert sorted_by_class([np.array(labels, np.int64) for labels in batches]) == expected


def test_another_image_is_one_of_any_class(
    model: nn.Module, images: Tensor, labels: Tensor
) -> None:
    kept: list[float] = []
    for loader in (in_batches(images, labels), shuffled(images, labels)):
        table = ablate(model, loader, None, ["shuffle"], example=images[:4], progress=False)
        kept.append(float(table["agreement"].iloc[-1]))
    assert kept[0] == pytest.approx(kept[1], abs=0.07)
    assert kept[0] < 0.85  # in batches of one class, all stay


def test_learned_constants_fit_all_classes(
    model: nn.Module, images: Tensor, labels: Tensor, tmp_path: Path
) -> None:
    recording = stripe.record(model, in_batches(images, labels), tmp_path / "r", progress=False)
    costs: list[float] = []
    for loader in (in_batches(images, labels), shuffled(images, labels)):
        frozen = stripe.freeze(
            model, recording, constants="optimal", images=loader, progress=False, lr=0.1
        )
        with torch.no_grad():  # on all images, since the two loaders are divided differently
            costs.append(float(divergence(model(images), frozen.model(images)).mean()))
    assert costs[0] < 1.1 * costs[1]


def test_worse_constants_than_the_means_are_told(
    model: nn.Module, images: Tensor, labels: Tensor, tmp_path: Path
) -> None:
    loader = shuffled(images, labels)
    recording = stripe.record(model, loader, tmp_path / "r", progress=False)
    with pytest.warns(UserWarning, match="the learned constants change the outputs more than"):
        stripe.freeze(model, recording, constants="optimal", images=loader, progress=False, lr=1e3)


def test_what_cannot_be_mixed_warns(images: Tensor, labels: Tensor) -> None:
    model = OfClass().double().eval()
    means = {"gate": np.full(CLASSES, 0.5)}
    said = "the images are sorted by class, so a batch holds few classes, and "
    with pytest.warns(UserWarning, match=said + "the constants fit the last classes best"):
        optimal_constants(
            model, in_batches(images, labels), means, example=images[:4], progress=False
        )
    normed = nn.Sequential(nn.BatchNorm2d(CLASSES), nn.Flatten(), nn.LazyLinear(CLASSES))
    normed(images.float())
    loader = in_batches(images.float(), labels)
    with pytest.warns(UserWarning, match=said + "its statistics are those of these classes"):
        attack(normed, loader, ["batch"], progress=False)
    with pytest.warns(UserWarning, match="sorted by class"):
        attack(normed, loader, [NoiseSpec(kind="batch")], progress=False)
    attack(normed, loader, ["constant:0.5,0.5"], progress=False)
    attack(normed, shuffled(images.float(), labels), ["batch"], progress=False)


@pytest.mark.parametrize(
    ("sizes", "limit", "warned"),
    [
        ([16] * 32, 64, False),  # one class, and nothing says that there are others
        ([16] * 32, 200, True),
        ([512], 200, True),
        ([512], 64, True),  # the other classes are in the same batch
        ([200, 312], 200, True),
        ([200, 312], 512, False),
    ],
)
def test_a_limit_on_sorted_images(
    sizes: list[int], limit: int, warned: bool, images: Tensor, labels: Tensor
) -> None:
    loader = list(zip(images.split(sizes), labels.split(sizes), strict=True))
    said = f"only the first {limit} images are used, and they are sorted"
    with pytest.warns(UserWarning, match=said) if warned else nullcontext():
        found, known = gather(loader, limit)
    assert known is not None
    assert len(found) == len(known) == limit
    gather(shuffled(images, labels), limit)
    gather([(part, torch.arange(len(part))) for part in images.split(sizes)], limit)
    gather([(part, torch.zeros(len(part), dtype=torch.long)) for part in images.split(16)], limit)


def test_classes_of_a_data_set_are_known(images: Tensor, labels: Tensor) -> None:
    data: Any = TensorDataset(images, labels)
    data.classes = ["a", "b", "c", "d"]
    with pytest.warns(UserWarning, match="only the first 64 images are used"):
        gather(DataLoader(data, BATCH), 64)


def test_no_more_images_are_read_than_needed(images: Tensor) -> None:
    batches = iter(images.split(BATCH))
    gather(batches, 2 * BATCH)
    assert len(list(batches)) == len(images) // BATCH - 2


def test_rows_of_images_stay_with_their_images(model: nn.Module, images: Tensor) -> None:
    own = torch.sigmoid(6 * images[:BATCH].mean((2, 3)) - 3)
    options: Any = {"example": images[:4], "progress": False}
    table = ablate(model, [images[:BATCH]], None, {"own": own}, **options)
    assert table["agreement"].tolist() == [1.0] * len(table)
    with pytest.raises(StripeError, match='in their order, and "shuffle" mixes the images'):
        ablate(model, [images[:BATCH]], None, {"own": own, "other": "shuffle"}, **options)


def test_estimates_of_an_audit_see_all_classes(images: Tensor, labels: Tensor) -> None:
    """The gates of the first class hardly move, so its images alone cost less."""
    model = OfClass(slopes=[0.5, 6, 8, 10]).double().eval()
    options: Any = {"out": None, "rounds": 1, "progress": False, "batch_size": BATCH}
    costs = [
        float(stripe.audit(model, loader, **options).gates["predicted_kl"].iloc[0])
        for loader in (in_batches(images, labels), shuffled(images, labels))
    ]
    assert costs[0] == pytest.approx(costs[1], rel=0.5)
