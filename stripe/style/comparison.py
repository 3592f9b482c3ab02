"""Compare three norms by pictures, numbers, and the effect of batch mates on an image."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from stripe.errors import StripeError
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.progress import progress_bar
from stripe.robustness import inject_noise
from stripe.style.config import StyleConfig, Variant
from stripe.style.features import describe_features, load_features
from stripe.style.losses import style_of
from stripe.style.network import StyleNetwork, style_network
from stripe.style.photographs import Photographs, in_unit_range, read_painting
from stripe.style.train import Criterion, StyleRun, stylise, train_style
from stripe.typed import typed

#: The variant without batch noise, with which the others are compared (Figure 5).
REFERENCE = "in"
BATCH_SIZES = (1, 2, 4, 8, 16)
#: Luma of sRGB (ITU-R BT.709).
_LUMA = (0.2126, 0.7152, 0.0722)
_COLUMNS = ["photograph", "variant", "content", "style", "ssim", "high_frequency", "spread"]


@dataclass(frozen=True)
class Comparison:
    """Result of `compare`.

    Parameters
    ----------
    photographs
        The photographs that were stylised, each (3, size, size) in [0, 1].
    stylised
        The stylised pictures by variant. Batch norms used their running statistics.
    numbers
        One row per photograph and variant:

        - photograph; variant; content and style, the losses without weights;
        - ssim: structural similarity to the picture stylised with instance norm (1: identical);
        - high_frequency: share of the spectral energy with periods below four pixels, relative to
          the picture stylised with instance norm (below 1: blurrier);
        - spread: standard deviation of a pixel value (0 to 1) over random draws of the rest of the
          batch, averaged over pixels, with the training batch size and the statistics of the batch.
    by_batch_size
        One row per variant and batch size: variant; batch_size; spread, as in `numbers`; style, the
        style loss, with the statistics of the batch. spread and style are means over photographs,
        and style also over draws.
    features
        Description of the network whose features are used to compare images.
    settings
        Settings of the runs and of the comparison.

    Examples
    --------
    >>> from stripe.style import compare, open_style
    >>> runs = {name: open_style(Path("runs/style") / name) for name in ("in", "bn+asr")}
    >>> found = compare(runs, photographs=1, draws=2, batch_sizes=(1, 2), progress=False)
    >>> found.numbers["variant"].tolist(), found.by_batch_size["batch_size"].tolist()
    (['in', 'bn+asr'], [1, 2, 4, 1, 2, 4])
    """

    photographs: list[Float[Tensor, "3 h w"]]
    stylised: dict[str, list[Float[Tensor, "3 h w"]]]
    numbers: pd.DataFrame
    by_batch_size: pd.DataFrame
    features: str
    settings: dict[str, Any]


@typed
def compare(
    runs: Mapping[str, StyleRun],
    *,
    photographs: int = 3,
    folder: str | Path | None = None,
    draws: int = 4,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    seed: int = 0,
    progress: bool = True,
) -> Comparison:
    """Compare pictures stylised with instance norm, batch norm, and batch norm with ASR.

    Parameters
    ----------
    runs
        Finished runs by variant, including "in". ASR is folded before the comparison.
    photographs
        Number of photographs: the first ones in `folder`.
    folder
        Folder of photographs. Default: the folder used in training.
    draws
        Number of draws of the rest of the batch for each photograph and batch size, at least 2.
    batch_sizes
        Batch sizes for the table `by_batch_size`. The training batch size is always included.
    seed
        Seed of these draws, which are random crops of the training photographs.
    progress
        Show a progress bar.

    Raises
    ------
    StripeError
        If there is no run with instance norm, the runs differ in more than the norm, a number is
        out of range, scikit-image is not installed, or the features are not available.
    DataError
        If the folder does not exist or holds no image, or an image cannot be read.

    References
    ----------
    Figures 5 and 19 to 21, Appendix G.

    Examples
    --------
    >>> from stripe.style import compare, open_style
    >>> runs = {name: open_style(Path("runs/style") / name) for name in ("in", "bn+asr")}
    >>> found = compare(runs, photographs=1, draws=2, batch_sizes=(1, 2), progress=False)
    >>> list(found.stylised)
    ['in', 'bn+asr']
    """
    if min(batch_sizes, default=1) < 1:
        raise StripeError(f"batch_sizes must be 1 or more, got {min(batch_sizes)}")
    config = _shared(runs)
    device = next(runs[REFERENCE].network.parameters()).device
    contents = _checked(folder or config.content, photographs, draws)
    chosen = [contents.centred(index, config.size).to(device) for index in range(photographs)]
    features = load_features(config.features, seed=config.seed).to(device)
    style = style_of(features, read_painting(config.style, config.size).to(device))
    order = [name for name in get_args(Variant) if name in runs]
    networks = {name: runs[name].folded() for name in order}
    sizes = sorted({*batch_sizes, config.batch_size})
    mates = _mates(Photographs(config.content), config, photographs, draws, max(sizes) - 1, seed)

    stylised = {name: stylise(network, chosen) for name, network in networks.items()}
    criterion = Criterion(features, style)
    numbers, by_batch_size = [], []
    with progress_bar(len(networks) * len(sizes), "compare", progress) as bar:
        for name, network in networks.items():
            by_size = []
            for size in sizes:
                by_size.append(_spread(network, criterion, chosen, mates, size))
                bar.update()
            spread = pd.concat(by_size, ignore_index=True)
            means = spread.groupby("batch_size", as_index=False)[["spread", "style"]].mean()
            by_batch_size.append(
                means.assign(variant=name)[["variant", "batch_size", "spread", "style"]]
            )
            rows = _numbers(criterion, chosen, stylised[name], stylised[REFERENCE])
            in_training = spread["spread"][spread["batch_size"] == config.batch_size]
            named = rows.assign(photograph=contents.names(photographs), variant=name)
            numbers.append(named.assign(spread=in_training.to_numpy()))
    settings = {
        **{name: run.config.to_json() for name, run in runs.items()},
        **{"photographs": photographs, "folder": folder and str(folder)},
        **{"draws": draws, "seed": seed},
    }
    return Comparison(
        photographs=[photograph.cpu() for photograph in chosen],
        stylised=stylised,
        numbers=pd.concat(numbers, ignore_index=True)[_COLUMNS],
        by_batch_size=pd.concat(by_batch_size, ignore_index=True),
        features=describe_features(config.features, seed=config.seed),
        settings=settings,
    )


def _spread(
    network: StyleNetwork,
    criterion: Criterion,
    photographs: Sequence[Float[Tensor, "3 h w"]],
    mates: Float[Tensor, "photographs draws mates 3 h w"],
    size: int,
) -> pd.DataFrame:
    """Return, for each photograph, the spread over draws of batch mates, and the style loss."""
    rows = []
    for photograph, others in zip(photographs, mates, strict=True):
        drawn = _among_mates(network, photograph, others[:, : size - 1].to(photograph))
        parts = criterion.parts(drawn, photograph.expand(len(drawn), -1, -1, -1))
        spread = float(drawn.std(0).mean())
        rows.append({"batch_size": size, "spread": spread, "style": float(parts.style)})
    return pd.DataFrame(rows)


def _numbers(
    criterion: Criterion,
    photographs: Sequence[Float[Tensor, "3 h w"]],
    pictures: Sequence[Float[Tensor, "3 h w"]],
    references: Sequence[Float[Tensor, "3 h w"]],
) -> pd.DataFrame:
    """Return the losses of each picture, and its similarity to that with instance norm."""
    rows = []
    for photograph, picture, reference in zip(photographs, pictures, references, strict=True):
        parts = criterion.parts(picture[None].to(photograph), photograph[None])
        detail = _ratio(high_frequency(picture), high_frequency(reference))
        rows.append({
            "content": float(parts.content),
            "style": float(parts.style),
            "ssim": _ssim(picture, reference),
            "high_frequency": detail,
        })  # fmt: skip
    return pd.DataFrame(rows)


def batch_statistics(network: StyleNetwork) -> AbstractContextManager[Any]:
    """Return a context in which batch norms, but not instance norms, use batch statistics."""
    norms = (isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    return inject_noise(network, "batch") if any(norms) else nullcontext()


def high_frequency(image: Float[Tensor, "3 h w"]) -> float:
    """Return the share of the brightness's spectral energy with periods below four pixels."""
    luma = torch.tensordot(torch.tensor(_LUMA), image.float(), dims=1)
    power = torch.fft.fft2(luma - luma.mean()).abs().square()
    height, width = luma.shape
    down, right = torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None]
    fine = torch.hypot(down, right) > 1 / 4  # cycles per pixel
    return float(power[fine].sum() / power.sum().clamp_min(1e-12))


def _shared(runs: Mapping[str, StyleRun]) -> StyleConfig:
    """Return the common settings of the runs, or raise if they differ in more than the norm."""
    if REFERENCE not in runs:
        raise StripeError(
            f"a comparison needs a run of instance norm, {REFERENCE!r}, got {', '.join(runs)}"
        )
    reference = runs[REFERENCE].config
    for name, run in runs.items():
        if name != run.config.variant:
            raise StripeError(f"a run of {run.config.variant!r} was given as {name!r}")
        differs = set(reference.differences(run.config)) - {"variant", "attention"}
        if differs:
            raise StripeError(
                f"runs are compared that differ in the norm alone, and {name!r} differs from "
                f"{REFERENCE!r} in {', '.join(sorted(differs))}"
            )
    return reference


def _checked(folder: str | Path | None, count: int, draws: int) -> Photographs:
    """Open the photographs to compare. Raise an error if a requirement is missing."""
    if draws < 2:
        raise StripeError(f"draws must be at least 2, since one draw has no spread, got {draws}")
    if find_spec("skimage") is None:
        raise StripeError(
            "a comparison needs the package scikit-image, which is not installed; pip install "
            "'stripe-attention[style]'"
        )
    found = Photographs(folder)
    if not 1 <= count <= len(found):
        raise StripeError(f"photographs must be 1 to {len(found)}, got {count}")
    return found


def _mates(
    contents: Photographs, config: StyleConfig, photographs: int, draws: int, count: int, seed: int
) -> Float[Tensor, "photographs draws mates 3 h w"]:
    """Draw the batch mates of all networks. Smaller batches use the first mates of each draw."""
    size = config.size
    needed = photographs * draws * count
    if needed == 0:
        return torch.empty(photographs, draws, 0, 3, size, size)
    (pixels,) = contents.batches(size, needed, range(1), seed=seed)
    mates: Tensor = in_unit_range(pixels).view(photographs, draws, count, 3, size, size)
    return mates


def _among_mates(
    network: StyleNetwork,
    photograph: Float[Tensor, "3 h w"],
    mates: Float[Tensor, "draws mates 3 h w"],
) -> Float[Tensor, "draws 3 h w"]:
    """Stylise a photograph in one batch with each draw of its mates."""
    network.eval()
    with (
        interrupts_held(),
        torch.no_grad(),
        batch_statistics(network),
        interrupts_allowed(),
    ):
        drawn = [network(torch.cat([photograph[None], some]))[0] for some in mates]
    stylised: Tensor = torch.stack(drawn)
    return stylised


def _ssim(image: Float[Tensor, "3 h w"], reference: Float[Tensor, "3 h w"]) -> float:
    from skimage import metrics  # of the extra "style"

    similarity: Any = metrics.structural_similarity
    return float(similarity(image.numpy(), reference.numpy(), channel_axis=0, data_range=1.0))


@typed
def train_and_compare(
    config: StyleConfig,
    out: str | Path,
    *,
    photographs: int = 3,
    folder: str | Path | None = None,
    draws: int = 4,
    resume: bool = False,
    progress: bool = True,
) -> Comparison:
    """Train the three variants in `out/in`, `out/bn` and `out/bn+asr`, and compare them.

    Parameters
    ----------
    config
        Settings of the runs. Its variant and out are ignored.
    out
        A new directory. With `resume`, it may already hold some of the runs, finished or not.
    photographs, folder, draws, progress
        As for `compare`.

    Raises
    ------
    StripeError, UnknownNameError, DataError
        As for `train_style` and `compare`.

    Examples
    --------
    >>> from stripe.style import StyleConfig, train_and_compare
    >>> small = {"features": "random:4", "size": 16, "width": 4, "steps": 1, "workers": 0}
    >>> files = {"content": Path("photos"), "style": Path("photos/one.png")}
    >>> config = StyleConfig(device="cpu", **files, **small)
    >>> compared = {"photographs": 1, "draws": 2, "progress": False}
    >>> list(train_and_compare(config, Path("runs/three"), **compared).stylised)
    ['in', 'bn', 'bn+asr']
    """
    _checked(folder or config.content, photographs, draws)  # before the training
    style_network("bn+asr", attention=config.attention, width=config.width)  # and check the name
    runs = {}
    for variant in get_args(Variant):
        of_variant = replace(config, variant=variant, out=Path(out).expanduser() / variant)
        runs[variant] = train_style(of_variant, resume=resume, progress=progress)
    options = {"photographs": photographs, "folder": folder, "draws": draws, "progress": progress}
    return compare(runs, seed=config.seed, **options)  # type: ignore[arg-type]


def _ratio(value: float, reference: float) -> float:
    return value / reference if reference else float("nan")
