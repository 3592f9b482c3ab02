"""The training loop, from top to bottom."""

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from stripe.errors import StripeError
from stripe.hooks import Recorder
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.robustness import inject_noise
from stripe.robustness.noise_spec import NoiseSpec
from stripe.train.checkpoint import (
    Progress,
    latest_checkpoint,
    load_checkpoint,
    restoring,
    save_checkpoint,
)
from stripe.train.config import TrainConfig
from stripe.train.finish import finish_run
from stripe.train.initial import begin
from stripe.train.loaders import Loaders, open_loaders
from stripe.train.log import read_rows, tensorboard, write_history
from stripe.train.network import build_model, stepped_network
from stripe.train.precision import with_precision
from stripe.train.processes import Processes, joined
from stripe.train.run import WEIGHTS, open_run
from stripe.train.schedule import learning_rate
from stripe.train.step import make_optimizer, top_accuracies, train_step
from stripe.train.stop import Stop, leave, stoppable
from stripe.train.weights import load_weights

#: Steps after which several processes ask each other whether one of them is to stop.
ASK_EVERY = 10


@dataclass(frozen=True)
class TrainResult:
    """What a run reached.

    Parameters
    ----------
    model
        The trained network, on the run's device, in training mode.
    history
        One row per epoch: epoch (1 to epochs), lr, train_loss (mean), test_accuracy (share of the
        whole test set), test_top5 (share whose label is among the five highest scores), seconds
        (training alone).
    recording
        Directory of the recorded gates, if there is one.

    Notes
    -----
    `best` is the largest of many test accuracies and so flatters; `last` and `last_ten` do not.
    """

    model: nn.Module
    history: pd.DataFrame
    recording: Path | None

    @property
    def best(self) -> float:
        """The largest test accuracy of any epoch."""
        return float(self.history["test_accuracy"].max())

    @property
    def last(self) -> float:
        """The test accuracy after the last epoch."""
        return float(self.history["test_accuracy"].iloc[-1])

    @property
    def last_ten(self) -> float:
        """The mean test accuracy of the last ten epochs, or of all if there are fewer."""
        return float(self.history["test_accuracy"].tail(10).mean())


def train(
    config: TrainConfig,
    *,
    resume: bool = False,
    model: nn.Module | None = None,
    progress: bool = True,
) -> TrainResult:
    """Train a network as `config` says.

    The run leaves `config.json` (with versions), `history.csv` and `history.parquet`, the last
    weights in `model.safetensors`, the SHA-256 of these in `manifest.sha256`, a checkpoint and, on
    request, `recording/` in `config.out`. A checkpoint is written after every epoch, and where
    Ctrl-C or SIGTERM stops the run.

    Under torchrun all processes train one network, each on its share of every batch. A signal to
    one of them stops all at the same step, within ten; while the network is tested it waits.

    Parameters
    ----------
    config
        The run.
    resume
        Go on from the last checkpoint in `config.out`, if there is one: on a CPU the result is that
        of an uninterrupted run, bit for bit, under as many processes as before. A finished run is
        not trained again. An epoch that was recorded from other weights than the resumed run has
        at that epoch is recorded again, and the epochs recorded after it are dropped.
    model
        Train this network, in place, instead of building the one that `config` names.
    progress
        Show a progress bar; a log file gets a line every ten seconds.

    Raises
    ------
    StripeError
        If `config.out` is not empty (without `resume`) or of another run, a file of it is changed,
        damaged or of another network, a checkpoint is a link, or a name or size in the
        configuration does not exist.
    """
    with (
        interrupts_held(),
        joined(config.device) as processes,
        torch.random.fork_rng(processes.gpus),
        interrupts_allowed(),
    ):
        if config.batch_size < processes.count:
            raise StripeError(
                f"batch_size must be at least the number of processes, {processes.count}, got "
                f"{config.batch_size}"
            )
        if config.record and config.record_images < processes.count:
            raise StripeError(
                f"record_images must be at least the number of processes, {processes.count}, got "
                f"{config.record_images}"
            )
        config = with_precision(config, processes.device, resume=resume)
        with processes.first_alone():
            loaders = open_loaders(config, processes)
        if model is None:
            model = build_model(config, loaders.data)
        initial, anew = begin(config, model, loaders.data.classes, resume=resume)
        if anew and progress and processes.rank == 0:
            tqdm.write(f"start anew, for other classes: {', '.join(anew)}", file=sys.stderr)
        if config.sync_bn and processes.count > 1:
            if processes.device.type != "cuda":
                raise StripeError("sync_bn works on GPUs alone; leave it out on a CPU")
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        model.to(processes.device)
        model.to(memory_format=torch.channels_last)
        with processes.first_alone():
            if processes.rank == 0:
                open_run(config, resume=resume, data=loaders.data, initial=initial)
        with interrupts_held(), stoppable() as stop, interrupts_allowed():
            return _train(config, processes, loaders, model, stop, progress)


def _train(
    config: TrainConfig,
    processes: Processes,
    loaders: Loaders,
    model: nn.Module,
    stop: Stop,
    progress: bool,
) -> TrainResult:
    device, main = processes.device, processes.rank == 0
    checkpoints, generator = config.out / "checkpoint", loaders.train.generator
    torch.manual_seed(config.seed + processes.rank)  # of dropout; all else has its own generator
    with ExitStack() as stack:
        recorder = None
        if config.record:  # before noise and compilation, to find gates in the network as it is
            images = next(iter(loaders.probe))[0][:2]
            recorder = stack.enter_context(_recorder(config, loaders, model, images))
        noise = None
        if config.noise is not None:
            noise = stack.enter_context(inject_noise(model, config.noise, seed=config.seed))
        optimizer = make_optimizer(config, model)

        at = Progress(generators={"loader": generator.get_state()})
        saved = latest_checkpoint(checkpoints)
        finished = (config.out / WEIGHTS).exists()
        if finished:
            load_weights(config.out / WEIGHTS, model)
            at.epoch, at.history = config.epochs, read_rows(config.out)
        elif saved is not None:
            at = load_checkpoint(saved, model, optimizer, config.epochs)
            with restoring(saved):
                generator.set_state(at.generators["loader"])
                if processes.rank < len(at.of_processes):  # there may be more of them than before
                    mine = at.of_processes[processes.rank]
                    torch.set_rng_state(mine["torch"])
                    if noise is not None:
                        noise.load_state_dict({"generator": mine["noise"]})
                    if device.type == "cuda":
                        torch.cuda.set_rng_state(mine["cuda"], device)

        network = stepped_network(config, processes, model)
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16")
        batches = len(loaders.train)
        steps = config.epochs * batches
        board = stack.enter_context(
            tensorboard(
                config.out / "tensorboard" if config.tensorboard and main else None, at.epoch
            )
        )
        often = 0.1 if sys.stderr.isatty() else 10.0  # seconds; a log file wants fewer lines
        bar = stack.enter_context(
            tqdm(
                total=config.epochs * loaders.train_images,
                initial=min(
                    at.epoch * loaders.train_images + at.batch * config.batch_size,
                    config.epochs * loaders.train_images,
                ),
                desc="train",
                unit=" images",
                disable=not (progress and main),
                mininterval=often,
            )
        )

        def record(epoch: int) -> None:
            """Record an epoch once, and leave the noise as it was, so that a rerun can skip it.

            A rerun that came to other weights replaces the epoch, and drops those after it.
            """
            if recorder is None:
                return
            current = recorder.is_current(epoch)
            if not processes.agree(int(main and not current)):
                return
            if processes.agree(int(main and epoch in recorder.epochs)):
                recorder.discard(epoch)
            state = None if noise is None else noise.state_dict()
            recorder.record(loaders.probe, epoch=epoch, progress=progress and main)
            if noise is not None and state is not None:
                noise.load_state_dict(state)

        def save() -> None:
            """Write down where the run is."""
            at.optimizer = optimizer.state_dict()
            mine = {"torch": torch.get_rng_state()}
            if noise is not None:
                mine["noise"] = noise.state_dict()["generator"]
            if device.type == "cuda":
                mine["cuda"] = torch.cuda.get_rng_state(device)
            at.of_processes = processes.gathered(mine)
            if main:
                save_checkpoint(checkpoints, model, at)
            processes.wait()  # torchrun ends all soon after the first has left

        if at.epoch == 0 and at.batch == 0:
            record(0)
        while at.epoch < config.epochs:
            at.generators["loader"] = generator.get_state()
            started = time.perf_counter() - at.seconds
            # Read once an epoch, so that no step waits for the device.
            loss_sum = torch.tensor(
                at.loss_sum if main else 0.0, dtype=torch.float64, device=device
            )
            network.train()
            for number, (images, labels) in enumerate(loaders.train):
                if number < at.batch:  # taken before the run was stopped
                    continue
                total = min(config.batch_size, loaders.train_images - number * config.batch_size)
                lr = learning_rate(
                    config, (at.epoch * batches + number) / (config.epochs * batches)
                )
                for group in optimizer.param_groups:
                    group["lr"] = lr
                if total >= processes.count:  # else there are processes without an image
                    loss = train_step(
                        network,
                        optimizer,
                        images,
                        labels,
                        autocast,
                        smoothing=config.label_smoothing,
                        parts=config.accumulate,
                        weight=processes.count / total,
                    )
                    loss_sum += loss * (total / processes.count)
                bar.update(total)
                asks = processes.count == 1 or (number + 1) % ASK_EVERY == 0
                if asks and (asked := processes.agree(stop.signal)):
                    at.batch = number + 1
                    at.loss_sum = processes.summed(loss_sum).item()
                    at.seconds = time.perf_counter() - started
                    save()
                    leave(asked)
            seconds = time.perf_counter() - started
            train_loss = processes.summed(loss_sum).item() / loaders.train_images

            processes.agree_on_buffers(model)
            with autocast:
                top1, top5 = top_accuracies(model, loaders.test, processes)
            at.epoch, at.batch, at.loss_sum, at.seconds = at.epoch + 1, 0, 0.0, 0.0
            at.history.append({
                "epoch": at.epoch,
                "lr": learning_rate(config, (at.epoch * batches - 1) / steps),
                "train_loss": train_loss,
                "test_accuracy": top1,
                "test_top5": top5,
                "seconds": seconds,
            })  # fmt: skip
            record(at.epoch)
            at.generators["loader"] = generator.get_state()
            save()
            if main:
                write_history(config.out, at.history)
            if board is not None:
                for name in ("lr", "train_loss", "test_accuracy", "test_top5"):
                    board.add_scalar(name, at.history[-1][name], at.epoch)
                board.flush()
            bar.set_postfix(loss=f"{train_loss:.3f}", test=f"{top1:.3f}")
            if at.epoch < config.epochs and (asked := processes.agree(stop.signal)):
                leave(asked)

        if main and not finished:
            finish_run(config.out, model, at.history)
        if asked := processes.agree(stop.signal):  # in the last epoch: whoever called is to stop
            leave(asked)
        processes.wait()
    recording = config.out / "recording" if config.record else None
    return TrainResult(model, pd.DataFrame(at.history), recording)


def _recorder(config: TrainConfig, loaders: Loaders, model: nn.Module, example: Tensor) -> Recorder:
    noise = None if config.noise is None else NoiseSpec.parse(config.noise)
    return Recorder(
        model,
        config.out / "recording",
        example,
        # Noise that differs from pass to pass hides which image a row is of.
        check=noise is None or noise.kind == "constant" or noise.when == "train",
        name=f"{config.backbone}, attention {config.attention}, asr {config.asr}",
        dataset=loaders.dataset,
        seed=config.seed,
    )
