"""Audit a network of modules: its outputs, costs of freezing and times."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor, nn

from stripe.audit.candidate import Batches, Candidate
from stripe.gates.plan import Plan, plan
from stripe.hooks import Recorder
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.intervene.predicted import Sensitivity
from stripe.intervene.sensitivity import sensitivity
from stripe.modules import undisturbed
from stripe.modules.timing import forward_seconds
from stripe.modules.unwrap import device_of, unwrapped
from stripe.recording import Recording, open_recording
from stripe.versions import library_versions


class ModuleCandidate(Candidate):
    """A network of modules.

    Parameters
    ----------
    model
        The network; it is left as it was.
    name
        Name in the report. Default: the class of the network.
    """

    library = "stripe"

    def __init__(self, model: nn.Module, name: str | None) -> None:
        self.model = unwrapped(model)
        self.name = name or type(self.model).__name__
        self._device = device_of(self.model)
        self.device = str(self._device)
        self.versions = library_versions()

    def record(self, images: Batches, path: Path, *, progress: bool) -> Recording:
        """Record all gates over batches of images."""
        with (
            interrupts_held(),
            Recorder(self.model, path, images[0][:2], gates="all") as recorder,
            interrupts_allowed(),
        ):
            recorder.record(images, 0, progress=progress)
        return open_recording(path)

    def plan(self, moments: pd.DataFrame) -> Plan:
        """Find the gates, to be frozen at the means over images."""
        return plan(self.model, moments)

    def sensitivity(
        self, images: Batches, recording: Recording, gates: Sequence[str], *, progress: bool
    ) -> Sensitivity:
        """Estimate what freezing gates at their means will cost, from one draw of labels."""
        return sensitivity(
            self.model,
            images,
            recording,
            list(gates),
            draws=1,
            example=images[0][:2],
            progress=progress,
        )

    def outputs(self, model: nn.Module, images: Batches) -> Iterator[Any]:
        """Yield the output of the network, or of a frozen one, for each batch."""
        for batch in images:
            with interrupts_held(), undisturbed(model), interrupts_allowed():
                output = model(batch.to(self._device))
            yield output

    def timing(self, model: nn.Module, images: Tensor) -> Callable[[], float]:
        """Return a function that runs a forward pass and returns its seconds."""
        there = images.to(self._device)

        def seconds() -> float:
            with interrupts_held(), undisturbed(model), interrupts_allowed():
                return forward_seconds(model, there)

        return seconds
