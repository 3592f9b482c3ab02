"""The processes of a training: those that torchrun started, or a single one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from stripe.interrupts import interrupts_allowed
from stripe.train.device import resolve_device


@dataclass(frozen=True)
class Processes:
    """Rank and device of this process, and number of processes."""

    rank: int
    count: int
    device: torch.device

    @property
    def share(self) -> tuple[int, int]:
        """Rank and number of processes, as the argument `share` of loaders."""
        return self.rank, self.count

    @property
    def gpus(self) -> list[torch.device]:
        """The GPU of this process, if it has one, as the argument of `torch.random.fork_rng`."""
        return [self.device] if self.device.type == "cuda" else []

    def summed(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.count > 1:
            distributed.all_reduce(value)
        return value

    def agree_on_buffers(self, model: nn.Module) -> None:
        """Give every process the running statistics of the first, before the network is tested."""
        if self.count > 1:
            for buffer in model.buffers():
                distributed.broadcast(buffer, 0)

    def agree(self, signal: int | None) -> int | None:
        """Return, in all processes, the signal that any process received, or None."""
        if self.count == 1:
            return signal
        asked = torch.tensor(signal or 0)  # on the host, so that it does not wait for the device
        distributed.all_reduce(asked, distributed.ReduceOp.MAX)
        return int(asked) or None

    def gathered(self, state: dict[str, Tensor]) -> list[dict[str, Tensor]]:
        """Return the values of all processes, by rank."""
        if self.count == 1:
            return [state]
        states: list[dict[str, Tensor]] = [{} for _ in range(self.count)]
        distributed.all_gather_object(states, state)
        return states

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Let the first process act before the others, for example to fetch a data set.

        If it fails, only rank 0 reports the error; the other ranks exit.
        """
        if self.rank > 0 and self._value_of_first(False):
            raise SystemExit(1)
        try:
            yield
        except BaseException:
            if self.rank == 0:
                self._value_of_first(True)
            raise
        if self.rank == 0:
            self._value_of_first(False)

    def _value_of_first(self, failed: bool) -> bool:
        """Return the value of the first process."""
        if self.count == 1:
            return failed
        value = torch.tensor(int(failed))
        distributed.broadcast(value, 0)
        return bool(value)

    def wait(self) -> None:
        """Wait until every process has called this method."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Join the processes that torchrun started; each takes its own GPU, if there are GPUs."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or distributed.is_initialized():
        rank = distributed.get_rank() if distributed.is_initialized() else 0
        world = distributed.get_world_size() if distributed.is_initialized() else 1
        yield Processes(rank, world, resolve_device(device))
        return
    resolved = resolve_device(device)
    if resolved.type == "cuda":
        resolved = resolve_device(f"cuda:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(resolved)
    with interrupts_allowed():  # it waits for the other processes
        distributed.init_process_group("cpu:gloo,cuda:nccl" if resolved.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), resolved)
    finally:
        distributed.destroy_process_group()
