"""Resume, save, log, stop and finish a training run on the disk, for every training loop."""

import torch
from torch import nn
from torch.optim import Optimizer

from stripe.robustness import inject_noise
from stripe.settings import Settings
from stripe.train.checkpoint import (
    TrainingState,
    latest_checkpoint,
    load_checkpoint,
    restoring,
    save_checkpoint,
)
from stripe.train.finish import finish_run
from stripe.train.log import read_rows, write_history
from stripe.train.processes import Processes
from stripe.train.run import WEIGHTS
from stripe.train.stop import Stop, leave
from stripe.train.weights import load_weights


class Session:
    """A run that continues from its start, from a checkpoint, or from its end.

    Parameters
    ----------
    config
        Settings of the run; `config.out` is its directory.
    model, optimizer
        Network and optimizer, which get the state of the checkpoint, if there is one.
    processes
        The processes that train together; the first one writes.
    stop
        The request to stop.
    length
        Number of rows in the history of a finished run.
    generator
        Generator of the order and augmentation of images, which all processes share. If it is
        given, checkpoints also hold the states of torch's own generators.
    noise
        The noise in the batch norms, whose generator is part of a checkpoint.

    Raises
    ------
    StripeError
        If a file of the run is damaged, changed or of another network.
    """

    def __init__(
        self,
        config: Settings,
        model: nn.Module,
        optimizer: Optimizer,
        *,
        processes: Processes,
        stop: Stop,
        length: int,
        generator: torch.Generator | None = None,
        noise: inject_noise | None = None,
    ) -> None:
        self.model, self.optimizer, self.processes = model, optimizer, processes
        self._folder, self._checkpoints = config.out, config.out / "checkpoint"
        self._stop, self._generator, self._noise = stop, generator, noise
        self._finished = (self._folder / WEIGHTS).exists()
        bf16 = vars(config)["precision"] == "bf16"
        self.autocast = torch.autocast(processes.device.type, torch.bfloat16, enabled=bf16)
        self.state = self._taken_up(length)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and shows progress."""
        return self.processes.rank == 0

    def mark(self) -> None:
        """Store the state of the shared generator at the beginning of an epoch."""
        if self._generator is not None:
            self.state.generators["loader"] = self._generator.get_state()

    def save(self) -> None:
        """Write a checkpoint. All processes must call this method."""
        self.state.optimizer = self.optimizer.state_dict()
        if self._generator is not None:
            self.state.of_processes = self.processes.gathered(self._own_generators())
        if self.first:
            save_checkpoint(self._checkpoints, self.model, self.state)
        self.processes.wait()  # torchrun ends all processes soon after the first has exited

    def save_row(self) -> None:
        """Write a checkpoint, and the history with its new last row."""
        self.save()
        if self.first:
            write_history(self._folder, self.state.history)

    def stop_signal(self) -> int | None:
        """Return the signal with which any process was asked to stop, or None."""
        return self.processes.agree(self._stop.signal)

    def finish(self) -> None:
        """Write the last weights, which finish the run. Then exit if a signal asked for it."""
        if self.first and not self._finished:
            finish_run(self._folder, self.model, self.state.history)
        if signal := self.stop_signal():  # it came in the last epoch, and stops the caller
            leave(signal)
        self.processes.wait()

    def _taken_up(self, length: int) -> TrainingState:
        if self._finished:
            load_weights(self._folder / WEIGHTS, self.model)
            return TrainingState(epoch=length, history=read_rows(self._folder))
        saved = latest_checkpoint(self._checkpoints)
        if saved is None:
            return TrainingState()
        state = load_checkpoint(saved, self.model, self.optimizer, length)
        if self._generator is not None:
            with restoring(saved):
                self._generator.set_state(state.generators["loader"])
                if self.processes.rank < len(state.of_processes):  # there may be more now
                    self._restore(state.of_processes[self.processes.rank])
        return state

    def _own_generators(self) -> dict[str, torch.Tensor]:
        """Return the states of the generators that processes do not share."""
        states = {"torch": torch.get_rng_state()}
        if self._noise is not None:
            states["noise"] = self._noise.state_dict()["generator"]
        if self.processes.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.processes.device)
        return states

    def _restore(self, states: dict[str, torch.Tensor]) -> None:
        torch.set_rng_state(states["torch"])
        if self._noise is not None:
            self._noise.load_state_dict({"generator": states["noise"]})
        if self.processes.device.type == "cuda":
            torch.cuda.set_rng_state(states["cuda"], self.processes.device)
