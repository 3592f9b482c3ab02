"""Every recorded row is of its image, or the recording is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_by_image import Bare, Squeeze, gates_alone, recorded
from torch import Tensor
from torch.nn import functional as F

import stripe
from stripe import open_recording
from stripe.errors import ModelError

Body = Callable[[Any, Tensor], Any]

#: Sizes of batches in which models go through images in different ways.
SIZES = [(5, 5, 3, 1), (2, 2), (1, 3), (8, 4)]


def images(count: int) -> Tensor:
    """Return images of different brightness."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 3, 16, 16, generator=generator) + torch.randn(
        count, 1, 1, 1, generator=generator
    )


def model_of(body: Body) -> Bare:
    torch.manual_seed(3)
    return Bare(body, se2=Squeeze())


def patches(x: Tensor, *order: int) -> Tensor:
    """Fold four patches of each image into the batch; the order is of image, row and column."""
    cut = x.unfold(2, 8, 8).unfold(3, 8, 8)  # (B, C, rows, columns, 8, 8)
    return cut.permute(*order, 1, 4, 5).flatten(0, 2)


def experts(m: Any, x: Tensor) -> Tensor:
    """Sort images by their expert, gate them, and sort them back."""
    f = F.relu(m.stem(x))
    order = torch.argsort((f.mean((1, 2, 3)) > 0.3).long(), stable=True)
    gated: Tensor = m.se(f[order])
    return gated[torch.argsort(order)]


PROVEN: dict[str, tuple[Body, int]] = {
    "one gate": (lambda m, x: m.one(x), 1),
    "a loop over images": (lambda m, x: torch.cat([m.one(i[None]) for i in x]), 1),
    "two gates of each image in turn": (
        lambda m, x: torch.cat([m.se(m.one(i[None])) for i in x]),
        1,
    ),
    "one gate of all images, then another": (
        lambda m, x: torch.cat([m.se(j[None]) for j in [m.one(i[None])[0] for i in x]]),
        1,
    ),
    "two halves": (lambda m, x: torch.cat([m.one(part) for part in x.chunk(2)]), 1),
    "pieces of four": (lambda m, x: torch.cat([m.one(part) for part in x.split(4)]), 1),
    "shared by two views": (lambda m, x: m.one(x) - m.one(x.flip(-1)), 1),
    "flips after all images": (lambda m, x: m.one(torch.cat([x, x.flip(-1)])), 2),
    "flips beside each image": (
        lambda m, x: m.one(torch.stack([x, x.flip(-1)], 1).flatten(0, 1)),
        2,
    ),
    "patches of each image together": (lambda m, x: m.one(patches(x, 0, 2, 3)), 4),
    "each patch of all images together": (lambda m, x: m.one(patches(x, 2, 3, 0)), 4),
    "a size that values decide": (lambda m, x: m.one(x * float(x.std() > 0)), 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", PROVEN)
def test_rows_are_those_of_each_image_alone(
    name: str, sizes: tuple[int, ...], tmp_path: Path
) -> None:
    body, k = PROVEN[name]
    model, x = model_of(body), images(sum(sizes))
    values = recorded(model, list(x.split(list(sizes))), tmp_path / "r")
    alone = gates_alone(model, x, ["se"])["se"]
    np.testing.assert_allclose(np.mean(list(values.values()), 0), alone, atol=1e-5)
    gates = open_recording(tmp_path / "r").gates
    assert set(gates["per_image_values"]) == {k}
    for gate in gates["name"]:
        assert open_recording(tmp_path / "r").inputs(gate, 0).std(0).min() > 1e-3


REFUSED: dict[str, tuple[Body, str]] = {
    "reversed": (lambda m, x: m.one(x.flip(0)), "must follow the images of a batch"),
    "rolled": (lambda m, x: m.one(x.roll(1, 0)), "must follow the images of a batch"),
    "reversed loop": (
        lambda m, x: torch.cat([m.one(i[None]) for i in x.flip(0)]),
        "must follow the images of a batch",
    ),
    "sorted": (lambda m, x: m.one(x[x.mean((1, 2, 3)).argsort()]), "must follow the images"),
    "sorted in Python": (
        lambda m, x: m.one(torch.stack([x[i] for i in x.mean((1, 2, 3)).argsort().tolist()])),
        "must follow the images",
    ),
    "shuffled": (lambda m, x: m.one(x[torch.randperm(len(x))]), "drawn at random|must follow"),
    "one gate from the whole batch": (
        lambda m, x: m.stem(x) * m.se.gate(m.stem(x).mean((0, 2, 3), keepdim=True)),
        "a row for every image of a batch, or as many for each, got 1 rows",
    ),
    "one image of the batch": (
        lambda m, x: torch.cat([m.one(x[:1]), m.stem(x[1:])]),
        "a row for every image of a batch, or as many for each, got 1 rows",
    ),
    "patches between images": (lambda m, x: m.one(patches(x, 2, 0, 3)), "must follow the images"),
    "as many crops as an image has": (
        lambda m, x: m.one(torch.cat([i[None].repeat(1 + int(i.mean() > 0), 1, 1, 1) for i in x])),
        "rows",
    ),
    "images in the place of channels": (
        lambda m, x: (
            m.stem(x).transpose(0, 1) * m.se.gate(m.stem(x).mean((2, 3)).T[:, :, None, None])
        ),
        "rows|must follow|differs",
    ),
}


@pytest.mark.parametrize("sizes", [(5, 5, 3, 1), (2, 2), (8, 4)])
@pytest.mark.parametrize("name", REFUSED)
def test_rows_of_other_images_are_refused(
    name: str, sizes: tuple[int, ...], tmp_path: Path
) -> None:
    body, message = REFUSED[name]
    batches = list(images(sum(sizes)).split(list(sizes)))
    with pytest.raises(ModelError, match=message):
        recorded(model_of(body), batches, tmp_path / "r")


def test_an_order_that_depends_on_the_size_of_the_batch_or_on_its_images(tmp_path: Path) -> None:
    x = images(12)
    interleaved = model_of(lambda m, x: m.one(torch.cat([x[::2], x[1::2]])))
    with pytest.raises(ModelError, match="must follow the images"):  # two images stay in order
        recorded(interleaved, [x[:2], x[2:8]], tmp_path / "a")
    brightness = F.relu(model_of(experts).stem(x)).mean((1, 2, 3)).detach()
    alike, falling = x[brightness <= 0.3], x[brightness.argsort(descending=True)]
    recorded(model_of(experts), [alike[:3]], tmp_path / "b")  # of one expert, in order
    with pytest.raises(ModelError, match="must follow the images"):
        recorded(model_of(experts), [alike[:3], falling[[0, -1, 1]]], tmp_path / "c")


def test_what_the_batch_has_a_part_in_is_warned_of(tmp_path: Path) -> None:
    def body(m: Any, x: Tensor) -> Tensor:
        f: Tensor = m.stem(x)
        pooled = f.mean((2, 3)) + f.mean((0, 2, 3))
        gated: Tensor = f * m.se.gate(m.se.fc(pooled))[:, :, None, None]
        return gated

    x = images(8)
    with pytest.warns(
        UserWarning,
        match=r"have a part in these gates of an image.*se\.gate; record batches of the size",
    ):
        values = recorded(model_of(body), [x], tmp_path / "r")["se.gate"]
    model = model_of(body).eval()
    with torch.no_grad():
        f = model.stem(x)
        expected = torch.sigmoid(model.se.fc(f.mean((2, 3)) + f.mean((0, 2, 3))))
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_unchecked_rows(tmp_path: Path) -> None:
    x = images(6)
    dropping = model_of(lambda m, x: m.one(F.dropout(x, 0.5)))
    with pytest.raises((ModelError, UserWarning), match="drawn at random in evaluation"):
        recorded(dropping, [x], tmp_path / "checked")
    assert recorded(dropping, [x], tmp_path / "r", check=False)["se.gate"].shape == (6, 6)
    folded = model_of(PROVEN["flips after all images"][0])
    with pytest.raises(ModelError, match="several rows per image, whose order must be proven"):
        recorded(folded, [x], tmp_path / "s", check=False)


def test_each_value_of_an_image_on_request(tmp_path: Path) -> None:
    x = images(6)
    ways: list[Body] = [
        lambda m, x: m.one(patches(x, 0, 2, 3)),
        lambda m, x: m.one(patches(x, 2, 3, 0)),
    ]
    for number, body in enumerate(ways):
        model = model_of(body)
        values = recorded(model, [x[:4], x[4:]], tmp_path / str(number), average=False)
        assert list(values) == [f"se.gate@{k}" for k in range(4)]
        with torch.no_grad():
            cut = patches(x, 0, 2, 3)
            gate = model.se.gate(model.se.fc(F.relu(model.stem(cut)).mean((2, 3))))
        for k in range(4):
            expected = gate.view(6, 4, -1)[:, k]
            np.testing.assert_allclose(values[f"se.gate@{k}"], expected, atol=1e-5)


def test_one_more_pass_for_the_first_two_batches_of_each_size(tmp_path: Path) -> None:
    passes = []

    def body(m: Any, x: Tensor) -> Any:
        if not x.is_meta:
            passes.append(len(x))
        return m.one(x)

    x = images(25)
    with stripe.Recorder(model_of(body), tmp_path / "r", x) as recorder:
        for epoch in range(2):
            recorder.record(x.split(6), epoch, progress=False)
    assert passes == [6] * 6 + [1] + [6] * 4 + [1]
