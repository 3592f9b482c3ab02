"""The interface of networks that can be audited."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from stripe.audit.images import Halves, KeptBatch
from stripe.intervene.sensitivity_result import Sensitivity
from stripe.outputs.task import Task
from stripe.recording import Recording
from stripe.select import Selection

#: The images of one half, in batches (B, C, H, W).
Batches = Sequence[Tensor]


@runtime_checkable
class FrozenNetwork(Protocol):
    """A network whose gates are constants: `stripe.gates.Frozen` or `stripe.onnx.FrozenGraph`."""

    @property
    def model(self) -> Any:
        """The network."""

    @property
    def report(self) -> pd.DataFrame:
        """One row per gate: gate, frozen, folded, into, reason."""

    @property
    def error(self) -> float:
        """The difference that folding made in the outputs, relative to the largest output."""


@runtime_checkable
class Freezing(Protocol):
    """The gates of a network and their constants; any of these gates can be frozen."""

    def freeze(self, gates: Selection = "all", *, fold: bool = True) -> FrozenNetwork:
        """Freeze chosen gates in a copy of the network."""

    def constant(self, gates: Selection = "all") -> Any:
        """Return a copy of the network whose chosen gates are constants, without folding."""


class Candidate(ABC):
    """A network whose attention is audited.

    Attributes
    ----------
    name
        Name in the report.
    library
        Name of the module whose `freeze` freezes the recommended gates.
    device
        Description of the device on which the network runs.
    versions
        Versions of the libraries that run it, by name.
    model
        The network.
    is_module
        Whether its gates can be replaced while it runs.
    """

    name: str
    library: str
    device: str
    versions: Mapping[str, str]
    model: Any
    is_module: bool

    @abstractmethod
    def record(self, images: Sequence[KeptBatch], path: Path, *, progress: bool) -> Recording:
        """Record all gates over batches of images, or of images and labels."""

    @abstractmethod
    def plan(self, moments: pd.DataFrame) -> Freezing:
        """Find the gates, and plan to freeze them at their means over images."""

    @abstractmethod
    def sensitivity(
        self, images: Batches, recording: Recording, gates: Sequence[str], *, progress: bool
    ) -> Sensitivity:
        """Estimate the cost of freezing gates at their means.

        A `ModelError` gives the reason if there is no estimate.
        """

    @abstractmethod
    def outputs(self, model: Any, images: Batches) -> Iterator[Any]:
        """Yield the output of the network, or of a frozen one, for each batch."""

    @abstractmethod
    def scores(self, output: Any) -> Float[Tensor, "b classes"] | None:
        """Return the class scores in an output of the network, None if it has none."""

    def check_optimal(self, images: Tensor) -> None:
        """Raise if the network has no class scores, which `optimal` compares."""
        raise NotImplementedError

    def optimal(
        self,
        images: Halves,
        recording: Recording,
        gates: Sequence[str],
        *,
        task: Task,
        progress: bool,
    ) -> pd.DataFrame:
        """Learn constants on one half of the images, and compare them with means on the other.

        Only a network with `is_module` supports it.
        """
        raise NotImplementedError

    def controls(
        self,
        images: Halves,
        recording: Recording,
        gates: Sequence[str],
        *,
        task: Task,
        progress: bool,
    ) -> pd.DataFrame:
        """Measure the effect of each intervention on all gates, on the held-out images.

        Only a network with `is_module` supports it.
        """
        raise NotImplementedError

    @abstractmethod
    def timing(self, model: Any, images: Tensor) -> Callable[[], float]:
        """Return a function that runs a forward pass and returns its seconds."""
