"""What attention costs at inference, and what is left of it after folding (Table 1, Figure 3)."""

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
        Images per forward pass.
    rounds
        In every round each network runs next to the bare one, now before it and now after, so
        that a busy machine slows both alike. One more round warms up and is not counted.
    device
        Device. On a GPU times come from CUDA events.
    seed
        Seed of weights and images.
    progress
        Show a progress bar.

    Returns
    -------
    DataFrame
        network, parameters, flops (of one image; multiplications and additions both count),
        images_per_s (median over rounds), ratio (of the speed to the bare network's next to it,
        median over rounds; that of the bare network to itself shows the noise).

    Notes
    -----
    FLOPs are those of torch's own counter: convolutions and matrix products. They miss what makes
    attention slow, its many small operations. Weights are random: the speed does not depend on
    them.

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
