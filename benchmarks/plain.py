"""What a user would do otherwise: a tutorial's data set and training step."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from torchvision.transforms import v2

from stripe.data import ImageSet


class Plain(Dataset[tuple[Tensor, int]]):
    """Images through torchvision transforms, one at a time."""

    def __init__(self, images: ImageSet, pad: int = 0) -> None:
        side = images.images.shape[-1] + 2 * pad
        self.images = images
        self.transform = v2.Compose(
            [
                v2.Pad(pad),
                v2.RandomCrop(side, padding=2),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(images.mean, images.std),
            ]
        )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return one augmented image and its label."""
        return self.transform(self.images.images[index]), int(self.images.labels[index])


def plain_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> float:
    """Take one step in float32, and wait for its loss."""
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return float(loss.item())
