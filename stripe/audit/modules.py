"""Audit a network of modules: its outputs, costs of freezing and times."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from stripe.audit.candidate import Batches, Candidate
from stripe.audit.images import Halves, KeptBatch, pieces
from stripe.gates.freezing.plan import Plan, plan
from stripe.hooks import Recorder
from stripe.hooks.batches import tensors_of
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.intervene.ablate import ablate
from stripe.intervene.compared import compare_constants
from stripe.intervene.optimal import optimal_constants
from stripe.intervene.sensitivity import sensitivity
from stripe.intervene.sensitivity_result import Sensitivity
from stripe.modules import undisturbed
from stripe.modules.feed import feed
from stripe.modules.timing import forward_seconds
from stripe.modules.unwrap import device_of, unwrapped
from stripe.outputs.scores import class_scores_or_none, position_scores
from stripe.outputs.task import Task
from stripe.recording import Recording, open_recording
from stripe.versions import library_versions

#: Number of images per step while constants are learned, and per batch on a CPU while gates are
#: recorded and estimated: a recording runs its first two batches again, and a small graph of
#: gradients fits into the caches.
_BATCH = 16


class ModuleCandidate(Candidate):
    """A network of modules.

    Parameters
    ----------
    model
        The network. It is not changed.
    name
        Name in the report. Default: the class of the network.
    """

    library = "stripe"
    is_module = True

    def __init__(self, model: nn.Module, name: str | None) -> None:
        self.model = unwrapped(model)
        self.name = name or type(self.model).__name__
        self._device = device_of(self.model)
        self.device = str(self._device)
        self.versions = library_versions()

    def record(self, images: Sequence[KeptBatch], path: Path, *, progress: bool) -> Recording:
        """Record all gates over batches of images, or of images and labels."""
        images = self._small(images)
        example = tensors_of(images[0])[0][:2]
        with (
            interrupts_held(),
            Recorder(self.model, path, example, gates="all") as recorder,
            interrupts_allowed(),
        ):
            recorder.record(images, 0, progress=progress)
        return open_recording(path)

    def plan(self, moments: pd.DataFrame) -> Plan:
        """Find the gates, and plan to freeze them at their means over images."""
        return plan(self.model, moments)

    def sensitivity(
        self, images: Batches, recording: Recording, gates: Sequence[str], *, progress: bool
    ) -> Sensitivity:
        """Estimate the cost of freezing gates at their means, from one draw of labels."""
        return sensitivity(
            self.model,
            self._small(images),
            recording,
            list(gates),
            draws=1,
            example=images[0][:2],
            progress=progress,
        )

    def _small(self, images: Sequence[KeptBatch]) -> Sequence[KeptBatch]:
        """Split batches on a CPU; a GPU computes larger ones in the time of small ones."""
        on_cpu = self._device is None or self._device.type == "cpu"
        return pieces(images, _BATCH) if on_cpu else images

    def outputs(self, model: nn.Module, images: Batches) -> Iterator[Any]:
        """Yield the output of the network, or of a frozen one, for each batch."""
        for batch in images:
            with interrupts_held(), undisturbed(model), interrupts_allowed():
                output = feed(model, batch)
            yield output

    def scores(self, output: Any) -> Float[Tensor, "b classes"] | None:
        """Return the class scores in an output of the network, None if it has none."""
        return class_scores_or_none(output)

    def check_optimal(self, images: Tensor) -> None:
        """Raise if the network has no class scores, which `optimal` compares."""
        position_scores(next(self.outputs(self.model, [images])))

    def optimal(
        self,
        images: Halves,
        recording: Recording,
        gates: Sequence[str],
        *,
        task: Task,
        progress: bool,
    ) -> pd.DataFrame:
        """Learn constants on one half of the images, and compare them with means on the other."""
        known = torch.cat(list(images.known))
        options: dict[str, Any] = {"example": known[:2], "progress": progress}
        steps = known.split(_BATCH)
        learned = optimal_constants(self.model, steps, recording, list(gates), **options)
        held_out = images.labelled()[1]
        options |= {"predict": task.predict, "agree": task.agree}
        return compare_constants(self.model, held_out, recording, learned, **options)

    def controls(
        self,
        images: Halves,
        recording: Recording,
        gates: Sequence[str],
        *,
        task: Task,
        progress: bool,
    ) -> pd.DataFrame:
        """Measure the effect of each intervention on all gates, on the held-out images."""
        return ablate(
            self.model,
            images.held_out_in_pairs(),
            recording,
            gates=list(gates),
            alone=False,
            predict=task.predict,
            agree=task.agree,
            example=images.known[0][:2],
            progress=progress,
        )

    def timing(self, model: nn.Module, images: Tensor) -> Callable[[], float]:
        """Return a function that runs a forward pass and returns its seconds."""
        there = images.to(self._device)

        def seconds() -> float:
            with interrupts_held(), undisturbed(model), interrupts_allowed():
                return forward_seconds(model, there)

        return seconds
