"""Batches, crops and flips on the device."""

import torch
from torchvision.transforms import functional as F

from stripe.data import DeviceLoader, ImageSet


def image_set(count: int = 10, channels: int = 3, side: int = 6) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    return ImageSet(
        name="toy",
        images=torch.randint(
            256, (count, channels, side, side), dtype=torch.uint8, generator=generator
        ),
        labels=torch.arange(count),
        classes=tuple(map(str, range(count))),
        mean=(0.2, 0.3, 0.4)[:channels],
        std=(0.5, 0.6, 0.7)[:channels],
    )


def test_normalises_as_torchvision_does() -> None:
    dataset = image_set()
    images, labels = next(iter(DeviceLoader(dataset, 10)))
    expected = F.normalize(dataset.images / 255, list(dataset.mean), list(dataset.std))
    torch.testing.assert_close(images, expected)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels.tolist() == list(range(10))


def test_every_image_comes_once_and_the_last_batch_is_smaller() -> None:
    loader = DeviceLoader(image_set(), 4, shuffle=True, augment=True)
    sizes = [len(labels) for _, labels in loader]
    assert sizes == [4, 4, 2]
    assert len(loader) == 3
    assert sorted(torch.cat([labels for _, labels in loader]).tolist()) == list(range(10))


def test_augmented_images_are_crops_and_mirrors_of_their_own_image() -> None:
    dataset, padding = image_set(channels=1, side=4), 2
    seen = set()
    for _ in range(30):
        for images, labels in DeviceLoader(dataset, 10, augment=True, padding=padding, seed=_):
            for image, label in zip(images, labels.tolist(), strict=True):
                seen.add(_find(image, dataset, label, padding))
    assert seen == {(y, x, m) for y in range(5) for x in range(5) for m in (False, True)}


def _find(
    image: torch.Tensor, dataset: ImageSet, label: int, padding: int
) -> tuple[int, int, bool]:
    padded = F.pad(dataset.images[label], [padding] * 4)
    for y in range(2 * padding + 1):
        for x in range(2 * padding + 1):
            for mirror in (False, True):
                window = padded[:, y : y + 4, x : x + 4]
                window = window.flip(2) if mirror else window
                window = F.normalize(window / 255, list(dataset.mean), list(dataset.std))
                if torch.allclose(window, image, atol=1e-5):
                    return y, x, mirror
    raise AssertionError("not a window of its image")


def test_a_seed_repeats_the_order_and_another_does_not() -> None:
    def order(seed: int) -> list[int]:
        loader = DeviceLoader(image_set(), 10, shuffle=True, augment=True, seed=seed)
        return [int(label) for _, labels in [*loader, *loader] for label in labels]

    assert order(1) == order(1) != order(2)
    assert order(1)[:10] != order(1)[10:]
