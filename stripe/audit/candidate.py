"""The interface of networks that can be audited."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from stripe.audit.images import Batch, Halves
from stripe.intervene.predicted import Sensitivity
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
        """How far folding took the outputs from those of the constant network."""


@runtime_checkable
class Freezing(Protocol):
    """A network whose gates were found once, and the constants to freeze them at."""

    def freeze(self, gates: Selection = "all", *, fold: bool = True) -> FrozenNetwork:
        """Freeze chosen gates in a copy of the network."""


class Candidate(ABC):
    """A network whose attention is audited.

    `name` is what the report calls it, `library` the module whose `freeze` takes the recommended
    gates out, `device` where it runs, in words, `versions` those of the libraries that run it,
    `model` the network itself, `is_module` whether its gates can be replaced while it runs.
    """

    name: str
    library: str
    device: str
    versions: Mapping[str, str]
    model: Any
    is_module: bool

    @abstractmethod
    def record(self, images: Sequence[Batch], path: Path, *, progress: bool) -> Recording:
        """Record all gates over batches of images, or of images and labels."""

    @abstractmethod
    def plan(self, moments: pd.DataFrame) -> Freezing:
        """Find the gates, to be frozen at the means over images."""

    @abstractmethod
    def sensitivity(
        self, images: Batches, recording: Recording, gates: Sequence[str], *, progress: bool
    ) -> Sensitivity:
        """Estimate what freezing gates at their means will cost; a `ModelError` says why not."""

    @abstractmethod
    def outputs(self, model: Any, images: Batches) -> Iterator[Any]:
        """Yield the output of the network, or of a frozen one, for each batch."""

    @abstractmethod
    def scores(self, output: Any) -> Float[Tensor, "b classes"] | None:
        """Return the class scores in what the network put out; None where there are none."""

    @abstractmethod
    def optimal(
        self, images: Halves, recording: Recording, gates: Sequence[str], *, progress: bool
    ) -> pd.DataFrame:
        """Compare constants that are learned on one half of the images with means, on the other.

        Only of a network that `is_module`.
        """

    @abstractmethod
    def controls(
        self, images: Halves, recording: Recording, gates: Sequence[str], *, progress: bool
    ) -> pd.DataFrame:
        """Measure what each intervention on all gates changes, on the images held out.

        Only of a network that `is_module`.
        """

    @abstractmethod
    def timing(self, model: Any, images: Tensor) -> Callable[[], float]:
        """Return a function that runs a forward pass and returns its seconds."""
