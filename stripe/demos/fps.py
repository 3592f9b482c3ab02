"""The cost of attention at inference, before and after folding (Table 1, Figure 3)."""

from collections.abc import Sequence

import pandas as pd
import torch

from stripe.asr import reparameterize
from stripe.backbones import build
from stripe.errors import StripeError
from stripe.modules.timing import compare_speed

#: The attention modules of Table 1, in its order.
TABLE_1 = ("ie", "srm", "cbam", "se", "dia", "spa")


def fps_table(
    backbone: str = "resnet164",
    *,
    attentions: Sequence[str] = TABLE_1,
    num_classes: int = 100,
    image_size: int = 32,
    batch_size: int = 32,
    rounds: int = 15,
    device: torch.device | str = "cpu",
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure the bare network, the network with each attention module, and each ASR folded.

    Parameters
    ----------
    backbone
        A name for `stripe.build`.
    attentions
        Names from `stripe.list_attentions()`.
    num_classes, image_size
        As for `stripe.build`.
    batch_size
        Number of images per forward pass.
    rounds
        Number of rounds. In every round, each network runs directly before or after the bare one,
        in turn, so that a busy machine slows both equally. A warm-up round is not counted.
    device
        Device. On a GPU, CUDA events measure the times.
    seed
        Seed of weights and images.
    progress
        Show a progress bar.

    Returns
    -------
    DataFrame
        network; parameters; flops, per image, where multiplications and additions both count;
        images_per_s, median over rounds; ratio, the speed relative to the bare network, median over
        rounds. The ratio of the bare network to itself shows the noise of the measurement.

    Notes
    -----
    Torch's own counter gives the FLOPs of convolutions and matrix products. It misses the many
    small operations that make attention slow. The weights are random, because the speed does not
    depend on them.

    References
    ----------
    Table 1 and Figure 3.
    """
    if rounds < 1 or batch_size < 1:
        raise StripeError(f"rounds and batch_size are 1 or more, got {rounds} and {batch_size}")
    options = {"num_classes": num_classes, "image_size": image_size, "seed": seed}
    networks = {"bare": build(backbone, **options)}  # type: ignore[arg-type]
    for name in attentions:
        networks[name] = build(backbone, attention=name, **options)  # type: ignore[arg-type]
    for name in attentions:
        gated = build(backbone, asr=name, **options).eval()  # type: ignore[arg-type]
        networks[f"asr({name}) folded"] = reparameterize(gated)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(batch_size, 3, image_size, image_size, generator=generator).to(device)
    return compare_speed(networks, images, rounds=rounds, progress=progress)
