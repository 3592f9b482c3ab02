"""The share of images that a classifier classifies correctly."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.feed import feed
from stripe.modules.undisturbed import undisturbed


def right_of(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    device: torch.device,
    *,
    top: Sequence[int] = (1,),
) -> Int64[Tensor, " counts"]:
    """Count the images whose label is among the k highest scores, without waiting for the device.

    Parameters
    ----------
    batches
        Images (B, C, H, W) and labels (B,).
    top
        The numbers k.

    Returns
    -------
    Tensor
        A count for each k, followed by the number of images, on `device`.
    """
    counts = torch.zeros(len(top) + 1, dtype=torch.int64, device=device)
    with interrupts_held(), undisturbed(model), interrupts_allowed():
        for images, labels in batches:
            images, labels = images.to(device), labels.to(device)
            logits: Float[Tensor, "b classes"] = feed(model, images)
            right = logits.topk(min(max(top), logits.shape[1])).indices == labels[:, None]
            for number, k in enumerate(top):
                counts[number] += right[:, :k].sum()
            counts[-1] += len(labels)
    return counts
