"""The training of a style network, from top to bottom."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from stripe.asr import reparameterize
from stripe.errors import StripeError
from stripe.files import read_regular, refuse_links
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules import undisturbed
from stripe.modules.progress import progress_bar
from stripe.plots import paper_style, save_figure, style_grid
from stripe.style.config import StyleConfig
from stripe.style.features import VGGFeatures, describe_features, load_features
from stripe.style.losses import Losses, losses, style_of
from stripe.style.network import StyleNetwork, style_network
from stripe.style.photographs import Photographs, as_bytes, in_unit_range, read_painting
from stripe.train.device import resolve_device
from stripe.train.failed_start import nothing_left
from stripe.train.log import read_rows
from stripe.train.precision import with_precision
from stripe.train.processes import Processes
from stripe.train.run import CONFIG, WEIGHTS, open_run, read_config, run_locked
from stripe.train.session import Session
from stripe.train.stop import leave, stoppable
from stripe.train.weights import load_weights
from stripe.typed import typed

#: Number of photographs for the losses in the log, and for the pictures.
SAMPLES = 3


@dataclass(frozen=True)
class StyleRun:
    """A trained style network.

    Parameters
    ----------
    network
        The network, in evaluation mode, on the device of the run or of `open_style`. Its ASR is not
        folded.
    config
        Settings of the run.
    history
        One row per `sample_every` steps, and one after the last step: step, and the parts of the
        loss (content, style and variation, without weights) on the first three photographs, in
        evaluation mode.

    Examples
    --------
    >>> run = stripe.style.open_style(Path("runs/style/bn+asr"), device="cpu")
    >>> run.config.variant, run.history["step"].tolist(), type(run.folded()).__name__
    ('bn+asr', [1], 'StyleNetwork')
    """

    network: StyleNetwork
    config: StyleConfig
    history: pd.DataFrame

    def folded(self) -> StyleNetwork:
        """Return a copy with the ASR folded, or the network itself if it has no ASR."""
        if self.config.variant != "bn+asr":
            return self.network
        return cast(StyleNetwork, reparameterize(self.network))


@typed
def train_style(config: StyleConfig, *, resume: bool = False, progress: bool = True) -> StyleRun:
    """Train a style network with the settings of `config`.

    The run writes into `config.out`: `config.json` (with versions), `history.csv` and
    `history.parquet`, the weights in `model.safetensors`, the SHA-256 digests of these files in
    `manifest.sha256`, a checkpoint, and pictures in `samples/`. On Ctrl-C or SIGTERM, it writes a
    checkpoint of the current step.

    Parameters
    ----------
    config
        Settings of the run.
    resume
        Continue from the last checkpoint in `config.out`, if there is one. On a CPU, the result is
        equal to that of an uninterrupted run, bit for bit. A finished run is not trained again.
    progress
        Show a progress bar.

    Raises
    ------
    StripeError
        In one of these cases:

        - `config.out` is not empty (without `resume`), holds another run, is in use, or cannot be
          written;
        - a file in `config.out` was changed, is damaged, is a link, or belongs to another network;
        - the weights of the network that computes the features are not available;
        - the device does not exist.
    UnknownNameError
        If there is no such attention module.
    DataError
        If `content` is not a folder, or holds no image, or if an image cannot be read.

    Examples
    --------
    >>> from stripe.style import StyleConfig, train_style
    >>> small = {"features": "random:4", "size": 16, "width": 4, "steps": 1, "workers": 0}
    >>> files = {"content": Path("photos"), "style": Path("photos/one.png")}
    >>> config = StyleConfig(variant="in", out=Path("runs/new"), device="cpu", **files, **small)
    >>> run = train_style(config, progress=False)
    """
    with interrupts_held(), run_locked(config, resume=resume), interrupts_allowed():
        return _train_style(config, resume, progress)


def _train_style(config: StyleConfig, resume: bool, progress: bool) -> StyleRun:
    device = resolve_device(config.device)
    config = with_precision(config, device, resume=resume)
    photographs = Photographs(config.content)
    painting = read_painting(config.style, config.size).to(device)
    features = load_features(config.features, seed=config.seed)
    network = style_network(
        config.variant, attention=config.attention, width=config.width, seed=config.seed
    )
    with nothing_left(config.out):
        open_run(config, resume=resume)
        with interrupts_held(), stoppable() as stop, interrupts_allowed():
            for module in (features, network):
                module.to(device).to(memory_format=torch.channels_last)
            session = Session(
                config,
                network,
                torch.optim.Adam(network.parameters(), lr=config.lr, fused=True),
                processes=Processes(0, 1, device),
                stop=stop,
                length=_rows(config),
            )
            with session.autocast:
                style = style_of(features, painting)
            _steps(config, session, network, Criterion(features, style), photographs, progress)
            session.finish()
    return StyleRun(network.eval(), config, pd.DataFrame(session.state.history))


@dataclass(frozen=True)
class Criterion:
    """The loss of a run: the network of features, and the style for the pictures.

    Parameters
    ----------
    features
        The network whose features are compared.
    style
        Gram matrices of the painting, from `style_of`.
    """

    features: VGGFeatures
    style: list[Tensor]

    def parts(
        self, pictures: Float[Tensor, "b 3 h w"], photographs: Float[Tensor, "b 3 h w"]
    ) -> Losses:
        """Return the parts of the loss of pictures made from photographs."""
        return losses(self.features, pictures, photographs, self.style)


def _steps(
    config: StyleConfig,
    session: Session,
    network: StyleNetwork,
    criterion: Criterion,
    photographs: Photographs,
    progress: bool,
) -> None:
    """Take the remaining steps, and draw samples at intervals."""
    device, optimizer = session.processes.device, session.optimizer
    count = min(SAMPLES, len(photographs))
    samples = torch.stack([photographs.centred(i, config.size) for i in range(count)]).to(device)
    done = min(session.state.epoch * config.sample_every + session.state.batch, config.steps)
    steps = range(done, config.steps)
    batches = photographs.batches(
        config.size, config.batch_size, steps, seed=config.seed, workers=config.workers
    )
    name = f"style {config.variant}"
    with progress_bar(config.steps, name, progress, done=done, unit=" steps", leave=True) as bar:
        for step, pixels in zip(steps, batches, strict=True):
            images = in_unit_range(pixels.to(device, non_blocking=True))
            images = images.contiguous(memory_format=torch.channels_last)
            network.train()
            with session.autocast:
                parts = criterion.parts(network(images), images)
            _weighted(config, parts).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            bar.update()
            done = step + 1
            if done % config.sample_every == 0 or done == config.steps:
                parts = _sampled(config, session, network, criterion, samples, done)
                bar.set_postfix(content=f"{parts.content:.3f}", style=f"{parts.style:.3f}")
            if (signal := session.stop_signal()) and done < config.steps:
                _place(session, config, done)
                session.save()
                leave(signal)


def _sampled(
    config: StyleConfig,
    session: Session,
    network: StyleNetwork,
    criterion: Criterion,
    samples: Tensor,
    done: int,
) -> Losses:
    """Log the loss on the samples after `done` steps, draw them, and save the run."""
    with interrupts_held(), undisturbed(network), session.autocast, interrupts_allowed():
        stylised = network(samples)
        parts = criterion.parts(stylised, samples)
    session.state.history.append({"step": done, **_numbers(parts)})
    _draw(config, done, samples, stylised)
    _place(session, config, done)
    session.save_row()
    return parts


def _place(session: Session, config: StyleConfig, done: int) -> None:
    """Store the number of finished steps: rows of the log, and steps after the last row."""
    state = session.state
    state.epoch = len(state.history)
    state.batch = done - state.epoch * config.sample_every if state.epoch < _rows(config) else 0


def _rows(config: StyleConfig) -> int:
    """Return the number of rows of the log of a finished run."""
    return -(-config.steps // config.sample_every)


@typed
def open_style(run: str | Path, *, device: str = "auto") -> StyleRun:
    """Open a finished run of `train_style`, on a device as for `StyleConfig`.

    Raises
    ------
    StripeError
        If there is no finished run, its files were changed or are damaged, its weights are of
        another architecture, or the device does not exist.

    Examples
    --------
    >>> run = stripe.style.open_style(Path("runs/style/in"), device="cpu")
    >>> run.config.variant
    'in'
    """
    run = Path(run).expanduser()
    file = run / CONFIG
    if not file.is_file() or b'"variant"' not in read_regular(file):
        raise StripeError(f"{run} is not a run of stripe style train; give one run per variant")
    config = read_config(file, StyleConfig)
    network = style_network(config.variant, attention=config.attention, width=config.width)
    if not (run / WEIGHTS).exists():
        raise StripeError(
            f"{run} is not finished; continue it with: stripe style train --resume --out {run}"
        )
    load_weights(run / WEIGHTS, network)
    network.to(resolve_device(device)).to(memory_format=torch.channels_last)
    return StyleRun(network.eval(), config, pd.DataFrame(read_rows(run)))


def _weighted(config: StyleConfig, parts: Losses) -> Float[Tensor, ""]:
    weights = (config.content_weight, config.style_weight, config.variation_weight)
    return sum((w * part for w, part in zip(weights, parts, strict=True)), start=parts[0] * 0)


def _numbers(parts: Losses) -> dict[str, float]:
    return {name: float(part) for name, part in parts._asdict().items()}


def _draw(
    config: StyleConfig,
    step: int,
    photographs: Float[Tensor, "b 3 h w"],
    stylised: Float[Tensor, "b 3 h w"],
) -> None:
    """Write pictures of some photographs by the current network."""
    columns = {"photograph": photographs, f"{config.variant}, step {step}": stylised.float()}
    with paper_style():
        ax = style_grid(
            {title: [as_bytes(image) for image in images] for title, images in columns.items()},
            note=f"features: {describe_features(config.features, seed=config.seed)}",
        )
        refuse_links(config.out / "samples")
        save_figure(ax, config.out / "samples" / f"step={step:06d}.png")


@typed
def stylise(
    network: StyleNetwork, images: Sequence[Float[Tensor, "3 h w"]]
) -> list[Float[Tensor, "3 h w"]]:
    """Stylise images in [0, 1], which may differ in size, one at a time on the network's device.

    The network runs in evaluation mode. The stylised images are in [0, 1], in float32, on the CPU.

    Raises
    ------
    DataError
        If the height or width of an image is below 8 pixels.

    Examples
    --------
    >>> run = stripe.style.open_style(Path("runs/style/in"), device="cpu")
    >>> [picture.shape for picture in stripe.style.stylise(run.network, [torch.rand(3, 20, 30)])]
    [torch.Size([3, 20, 30])]
    """
    device = next(network.parameters()).device
    with interrupts_held(), undisturbed(network), interrupts_allowed():
        return [network(image[None].to(device))[0].float().cpu() for image in images]
