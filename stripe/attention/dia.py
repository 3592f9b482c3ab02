"""Dense-and-Implicit Attention: one recurrent cell for a whole stage."""

import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stripe.attention.pool import global_average
from stripe.attention.registry import ATTENTIONS
from stripe.attention.sizes import hidden_units
from stripe.errors import ModelError
from stripe.typed import typed

State = tuple[Tensor, Tensor]


class DIACell(nn.Module):
    """The LSTM cell of DIA, with bottlenecks of width C / reduction in place of its two matrices.

    `[i, f, g, o] = W2 relu(W1 u + b1) + b2 + U2 relu(U1 h + d1) + d2`,
    `c' = sigmoid(f) c + sigmoid(i) tanh(g)`, `h' = sigmoid(o) activation(c')`.
    """

    def __init__(
        self, channels: int, reduction: int, activation: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.channels = channels
        self.of_input = _bottleneck(channels, reduction)
        self.of_hidden = _bottleneck(channels, reduction)
        self.activation = activation

    def forward(self, u: Float[Tensor, "b c"], state: State | None) -> State:
        """Return hidden and cell state, each (B, C), after the input `u`."""
        if state is None:
            state = (torch.zeros_like(u), torch.zeros_like(u))
        hidden, cell = state
        gates: Tensor = self.of_input(u) + self.of_hidden(hidden)
        enter, forget, candidate, out = gates.chunk(4, dim=1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
        return torch.sigmoid(out) * self.activation(cell), cell


def _bottleneck(channels: int, reduction: int) -> nn.Sequential:
    hidden = hidden_units(channels, reduction)
    return nn.Sequential(
        nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 4 * channels)
    )


class _Carried(threading.local):
    """The state that each cell passes from block to block, separately for each thread."""

    def __init__(self) -> None:
        self.states: WeakKeyDictionary[DIACell, State] = WeakKeyDictionary()


_CARRIED = _Carried()


@ATTENTIONS.register("dia")
class DIA(nn.Module):
    """Compute the gate of one block from its features and the gates of earlier blocks.

    `(v, c) = cell(u, (v', c'))`, where u is the global average of x. The gate v and the cell state
    c are the state of an LSTM cell, and (v', c') is its state after the previous block of the same
    stage in the same forward pass. Before the first block, the state is zero. `DIA.along` returns
    the gates of a whole network, with one cell for each stage.

    Parameters
    ----------
    channels
        C, the number of channels of x.
    reduction
        Reduction ratio of the bottlenecks in the cell.
    activation
        Non-linearity of the cell's output.
    cell
        Cell that the blocks of a stage share, instead of a new cell with `reduction` and
        `activation`.
    first, last
        Whether the block is the first of its stage, before which the state is zero, and whether it
        is the last, after which the state is deleted.

    Raises
    ------
    StripeError
        If `channels` or `reduction` is below 1.

    References
    ----------
    Huang, Liang, Liang and Yang, "DIANet: Dense-and-Implicit Attention Network", AAAI 2020, section
    3, including the reduction of 4 and the sigmoid at the output in place of the tanh.

    Notes
    -----
    Each thread has its own state between blocks, and deletes it after the last block. Calls can
    therefore be repeated, and several threads can use the model. A block must run only within the
    forward pass of its network. Gradient checkpointing of single blocks violates this, and
    raises a `ModelError`.

    Examples
    --------
    >>> stripe.attention.DIA(32)(torch.rand(8, 32, 7, 7)).shape
    torch.Size([8, 32, 1, 1])
    """

    @typed
    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 4,
        activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        cell: DIACell | None = None,
        first: bool = True,
        last: bool = True,
    ) -> None:
        super().__init__()
        self.cell = DIACell(channels, reduction, activation) if cell is None else cell
        self.first = first
        self.last = last

    @classmethod
    def along(
        cls,
        channels: Sequence[int],
        *,
        reduction: int = 4,
        activation: Callable[[Tensor], Tensor] = torch.sigmoid,
    ) -> list["DIA"]:
        """Return a gate for each site. Consecutive sites of equal width form a stage."""
        gates = []
        for width, stage in groupby(channels):
            cell, blocks = DIACell(width, reduction, activation), len(list(stage))
            gates += [
                cls(width, cell=cell, first=block == 0, last=block == blocks - 1)
                for block in range(blocks)
            ]
        return gates

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """Return the gate of features `x`."""
        u = global_average(x).flatten(1)  # (B, C)
        state: State = self.cell(u, None if self.first else self._received())
        self._hand_on(None if self.last else state)
        return state[0][:, :, None, None]

    def _received(self) -> State:
        state: State | None
        if torch.compiler.is_compiling():  # a traced pass is one thread; an attribute traces
            state = getattr(self.cell, "carried", None)
        else:
            state = _CARRIED.states.get(self.cell)
        if state is None:
            raise ModelError(
                "a DIA gate must run after the previous one in the same pass, and did not; run, "
                "compile and checkpoint the network as a whole"
            )
        return state

    def _hand_on(self, state: State | None) -> None:
        if torch.compiler.is_compiling():
            self.cell.carried = state  # type: ignore[assignment]
        elif state is None:
            _CARRIED.states.pop(self.cell, None)
        else:
            _CARRIED.states[self.cell] = state
