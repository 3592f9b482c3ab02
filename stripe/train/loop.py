"""The training loop, from top to bottom."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn
from tqdm.auto import tqdm

from stripe.data.image_file import count_of_broken
from stripe.errors import StripeError
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.progress import progress_bar
from stripe.recording.layout import OF_RUN
from stripe.robustness import inject_noise
from stripe.train.board import Board, tensorboard
from stripe.train.config import TrainConfig
from stripe.train.failed_start import nothing_left
from stripe.train.initial import begin
from stripe.train.loaders import Loaders, open_loaders
from stripe.train.network import build_model, check_network, stepped_network
from stripe.train.precision import with_precision
from stripe.train.processes import Processes, joined
from stripe.train.recording import EpochRecorder, epoch_recorder
from stripe.train.run import open_run, run_locked
from stripe.train.schedule import learning_rate
from stripe.train.session import Session
from stripe.train.step import make_optimizer, top_accuracies, train_step
from stripe.train.stop import Stop, leave, stoppable
from stripe.typed import typed

#: Number of steps after which the processes tell each other about a request to stop.
ASK_EVERY = 10


@dataclass(frozen=True)
class TrainResult:
    """Result of a training run.

    Parameters
    ----------
    model
        The trained network, on the device of the run, in training mode.
    history
        One row per epoch:

        - epoch, from 1; lr, the learning rate of its last step;
        - train_loss: mean over the training images;
        - test_accuracy: accuracy on all test images, 0 to 1;
        - test_top5: share of images whose label has one of the five highest scores, 0 to 1;
        - seconds: time of the training steps, without tests and recording.
    recording
        Directory of the recording; None if the run does not record.

    Notes
    -----
    `best` is the largest of many test accuracies, so it is biased upwards. `last` and `last_ten` do
    not have this bias.

    Examples
    --------
    >>> from stripe.train import TrainConfig, train
    >>> network = {"backbone": "resnet8_basic", "dataset": "fashion-mini", "device": "cpu"}
    >>> config = TrainConfig(out=Path("runs/result"), epochs=1, limit=64, **network)
    >>> result = train(config, progress=False)
    >>> result.history["epoch"].tolist(), result.best == result.last == result.last_ten
    ([1], True)
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


@typed
def train(
    config: TrainConfig,
    *,
    resume: bool = False,
    model: nn.Module | None = None,
    progress: bool = True,
) -> TrainResult:
    """Train a network with the settings of `config`.

    The run writes into `config.out`: `config.json` (with versions), `history.csv` and
    `history.parquet`, the last weights in `model.safetensors`, the SHA-256 digests of these files
    in `manifest.sha256`, a checkpoint and, on request, `recording/`. It writes the checkpoint after
    every epoch, and when Ctrl-C or SIGTERM stops it.

    Under torchrun, all processes train one network, each on its share of every batch. A signal to
    one process stops all processes at the same step, at most ten steps later. A signal during a
    test of the network takes effect after the test.

    Parameters
    ----------
    config
        Settings of the run.
    resume
        Continue from the last checkpoint in `config.out`, if there is one. On a CPU, and with the
        same number of processes, the result is equal to that of an uninterrupted run, bit for bit.
        A finished run is not trained again. If an epoch was recorded with weights other than those
        of the resumed run, it is recorded again, and later epochs are dropped from the recording.
    model
        Network to train, in place. Default: a new network, built with the settings in `config`.
    progress
        Show a progress bar. If standard error is not a terminal, a line is written every ten
        seconds instead.

    Raises
    ------
    StripeError
        In one of these cases:

        - `config.out` is not empty (without `resume`), holds another run, is in use, or cannot be
          written;
        - a file in `config.out` was changed, is damaged, is a link, or belongs to another network;
        - a size does not fit the number of processes, the device does not exist, `sync_bn` is set
          on a CPU, or the package tensorboard is missing;
        - the initial weights do not exist.
    UnknownNameError
        If a name in the configuration is unknown.
    ModelError
        If the network does not fit the images, the classes or the initial weights, or if it has no
        gates to record.
    DataError
        If the data set is missing or damaged, or an image cannot be read.
    RecordingError
        If the recording of a run to resume is damaged, or the recording cannot be written.

    Examples
    --------
    >>> from stripe.train import TrainConfig, train
    >>> network = {"backbone": "resnet8_basic", "dataset": "fashion-mini", "device": "cpu"}
    >>> config = TrainConfig(out=Path("runs/short"), epochs=1, limit=64, **network)
    >>> result = train(config, progress=False)
    """
    with (
        interrupts_held(),
        joined(config.device) as processes,
        torch.random.fork_rng(processes.gpus),
        _alone(config, processes, resume=resume),
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
        config = with_precision(config, processes.device, resume=resume, rank=processes.rank)
        with processes.first_alone():
            loaders = open_loaders(config, processes)
        if model is None:
            model = build_model(config, loaders.data)
        check_network(model, loaders.data)
        initial, anew = begin(config, model, loaders.data.classes, resume=resume)
        if anew and progress and processes.rank == 0:
            tqdm.write(f"start anew, for other classes: {', '.join(anew)}", file=sys.stderr)
        if loaders.broken and progress and processes.rank == 0:
            tqdm.write(count_of_broken(loaders.broken), file=sys.stderr)
        if config.sync_bn and processes.count > 1:
            if processes.device.type != "cuda":
                raise StripeError("sync_bn works on GPUs alone; leave it out on a CPU")
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        model.to(processes.device)
        model.to(memory_format=torch.channels_last)
        with nothing_left(config.out, first=processes.rank == 0):
            with processes.first_alone():
                if processes.rank == 0:
                    open_run(config, resume=resume, data=loaders.data, initial=initial)
            with interrupts_held(), stoppable() as stop, interrupts_allowed():
                return _train(config, processes, loaders, model, stop, progress)


@contextmanager
def _alone(config: TrainConfig, processes: Processes, *, resume: bool) -> Iterator[None]:
    """Let the first process hold the directory of the run."""
    with ExitStack() as stack:
        with processes.first_alone():
            if processes.rank == 0:
                stack.enter_context(run_locked(config, resume=resume))
        yield


def _train(
    config: TrainConfig,
    processes: Processes,
    loaders: Loaders,
    model: nn.Module,
    stop: Stop,
    progress: bool,
) -> TrainResult:
    torch.manual_seed(config.seed + processes.rank)  # of dropout; all else has its own generator
    with ExitStack() as stack:
        recorder = epoch_recorder(config, loaders, model, processes, stack)
        noise = None
        if config.noise is not None:
            noise = stack.enter_context(inject_noise(model, config.noise, seed=config.seed))
        if recorder is not None:
            recorder.noise = noise
        session = Session(
            config,
            model,
            make_optimizer(config, model),
            processes=processes,
            stop=stop,
            length=config.epochs,
            generator=loaders.train.generator,
            noise=noise,
        )
        done = session.state.epoch * loaders.train_images + session.state.batch * config.batch_size
        total = config.epochs * loaders.train_images
        shown = progress and session.first
        bar = progress_bar(total, "train", shown, done=done, unit=" images", leave=True)
        folder = config.out / "tensorboard" if config.tensorboard and session.first else None
        recording = config.out / OF_RUN if config.record else None
        first = session.state.epoch + 1 if session.state.epoch or session.state.batch else 0
        board = stack.enter_context(tensorboard(folder, first, recording))
        _epochs(config, session, loaders, recorder, stack.enter_context(bar), board, progress)
        session.finish()
    return TrainResult(model, pd.DataFrame(session.state.history), recording)


def _epochs(
    config: TrainConfig,
    session: Session,
    loaders: Loaders,
    recorder: EpochRecorder | None,
    bar: Any,
    board: Board,
    progress: bool,
) -> None:
    """Train, test and record epoch after epoch."""
    state, processes = session.state, session.processes
    network = stepped_network(config, processes, session.model)
    steps = config.epochs * len(loaders.train)
    if recorder is not None and state.epoch == state.batch == 0:
        recorder.record(0, progress=progress)
        board.add_gates(0)
    while state.epoch < config.epochs:
        train_loss, seconds = _one_epoch(config, session, loaders, network, bar)
        processes.agree_on_buffers(session.model)
        with session.autocast:
            top1, top5 = top_accuracies(session.model, loaders.test, processes)
        state.epoch, state.batch, state.loss_sum, state.seconds = state.epoch + 1, 0, 0.0, 0.0
        row = {
            "epoch": state.epoch,
            "lr": learning_rate(config, (state.epoch * len(loaders.train) - 1) / steps),
            "train_loss": train_loss,
            "test_accuracy": top1,
            "test_top5": top5,
            "seconds": seconds,
        }
        state.history.append(row)
        if recorder is not None:
            recorder.record(state.epoch, progress=progress)
        session.mark()
        session.save_row()
        board.add_row(row)
        board.add_gates(state.epoch)
        bar.set_postfix(loss=f"{train_loss:.3f}", test=f"{top1:.3f}")
        if state.epoch < config.epochs and (signal := session.stop_signal()):
            leave(signal)


def _one_epoch(
    config: TrainConfig, session: Session, loaders: Loaders, network: nn.Module, bar: Any
) -> tuple[float, float]:
    """Take the remaining steps of an epoch; return its mean loss and the seconds of all its steps.

    If the run must stop, a checkpoint is written and the process exits.
    """
    state, processes, batches = session.state, session.processes, len(loaders.train)
    session.mark()
    started = time.perf_counter() - state.seconds
    before = state.loss_sum if session.first else 0.0
    # Read once an epoch, so that no step waits for the device.
    loss_sum = torch.tensor(before, dtype=torch.float64, device=processes.device)
    network.train()
    for number, (images, labels) in enumerate(loaders.train):
        if number < state.batch:  # taken before the run was stopped
            continue
        total = min(config.batch_size, loaders.train_images - number * config.batch_size)
        lr = learning_rate(config, (state.epoch * batches + number) / (config.epochs * batches))
        for group in session.optimizer.param_groups:
            group["lr"] = lr
        if total >= processes.count:  # else there are processes without an image
            loss = train_step(
                network,
                session.optimizer,
                images,
                labels,
                session.autocast,
                smoothing=config.label_smoothing,
                parts=config.accumulate,
                weight=processes.count / total,
            )
            loss_sum += loss * (total / processes.count)
        bar.update(total)
        asks = processes.count == 1 or (number + 1) % ASK_EVERY == 0
        if asks and (signal := session.stop_signal()):
            state.batch = number + 1
            state.loss_sum = processes.summed(loss_sum).item()
            state.seconds = time.perf_counter() - started
            session.save()
            leave(signal)
    seconds = time.perf_counter() - started
    return processes.summed(loss_sum).item() / loaders.train_images, seconds
