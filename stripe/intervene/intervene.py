"""Replace gates while a model runs."""

from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from stripe.errors import ModelError
from stripe.gates.find import DEFAULT_KINDS
from stripe.gates.means import Means
from stripe.interrupts import at_the_edge, interrupts_allowed, interrupts_held
from stripe.intervene.functions import How, function_of, needs_recording
from stripe.intervene.interventions import Interventions
from stripe.intervene.replaceable import replaceable_with
from stripe.select import Selection


class intervene:  # noqa: N801  # used like a function, as torch.no_grad is
    """Replace gates of a model while a context is open.

    The gates are found as in `stripe.find_gates`, and replaced where they are made, whether they
    are the output of a module or are computed functionally inside one. All other readers of a gate
    also read its replacement, for example the spatial map of CBAM. Gradients pass through the
    replacements. An inner intervention on the same gate receives the gate that the outer one has
    produced.

    Parameters
    ----------
    model
        Any network, in training or evaluation mode. Its weights, modules and hooks are restored
        afterwards. A compiled network runs uncompiled inside the context.
    how
        Replacement of a gate:

        - "mean": its recorded mean over images, per channel, as `stripe.freeze` uses it.
        - "grand_mean": one number, the mean over images and channels.
        - "class_mean": the recorded mean over the images of the same label; needs `labels`.
        - "shuffle": the gate of another image of the batch, the same other image for all gates.
        - "resample": the gate of a recorded image, the same for all gates.
        - "one" or "zero": this number.
        - A number, a vector (C,) or rows (B, C). A tensor may require gradients.
        - A function from the gate, (B, C), to its replacement, in the same shape.
        - A mapping from names of gates to any of these.
    recording
        A recording of this model or its directory. For means, the table of
        `stripe.stats.channel_moments` or a vector for each gate, by name, also works.
    gates
        Gates: "all" (for a mapping, the gates that it names), names, a pattern such as "layer3.*",
        or a predicate of `Gate`.
    labels
        The class of each image of the next batch, shape (B,). The attribute `labels` can be set
        before each batch.
    kinds
        Kinds of gate that can be chosen, as for `stripe.find_gates`. Maps of "spatial" attention
        have the shape (B, H * W).
    epoch
        Epoch of the recording. Default: the last.
    example
        A batch of images with which the gates are found. Default: images of the recorded size, or
        of a size that the model accepts.
    seed
        Seed of "shuffle" and "resample". Each entry of the context starts from it. The global
        generators are untouched.
    force
        Use the recording even if it was made from other weights.

    Raises
    ------
    UnknownNameError
        If the model does not have a gate; the message names the nearest.
    ModelError
        When the context is made: if there is no such intervention, it needs a recording that is
        missing, the recording is of other weights, an array does not fit a gate, or a gate cannot
        be replaced, or labels are not whole numbers. When the model runs: if a function returns
        another shape, the number of rows is not that of the images, or labels are missing. At the
        end: if the model ran and a gate was not replaced.

    Notes
    -----
    An intervention gives the layers after a gate inputs that training never gave them. "mean" and
    "shuffle" keep the scale of every channel. "grand_mean", "one" and "zero" do not, so a large
    effect of these shows that the scale matters, not that the image matters. "shuffle" keeps each
    gate's distribution and breaks its relation to the image.

    Call `backward` inside the context if the network recomputes activations, as
    `torch.utils.checkpoint` does. Outside, it would recompute them without the intervention.

    Examples
    --------
    >>> model = stripe.build("resnet20", attention="se", num_classes=10, in_channels=1)
    >>> images = torch.randn(8, 1, 28, 28)
    >>> with stripe.intervene(model.eval(), "shuffle", gates="layer3.*") as running:
    ...     running.gates[0], model(images).shape
    ('layer3.0.bn3.gate', torch.Size([8, 10]))
    """

    def __init__(
        self,
        model: nn.Module,
        how: How,
        recording: Means | None = None,
        gates: Selection | None = "all",
        *,
        labels: Tensor | Sequence[int] | None = None,
        kinds: Collection[str] = DEFAULT_KINDS,
        epoch: int | None = None,
        example: Tensor | None = None,
        seed: int = 0,
        force: bool = False,
    ) -> None:
        found, recorded = replaceable_with(
            model, recording, kinds, epoch=epoch, example=example, force=force
        )
        if isinstance(how, Mapping) and (gates is None or gates == "all"):
            gates = list(how)
        looks_up = recording is not None and needs_recording(how)
        places = found.chosen(gates, recorded.gates if looks_up else None)
        functions = {place.gate.name: function_of(how, place, recorded) for place in places}
        self._replaced = Interventions(found, functions, seed)
        self._held, self._allowed = interrupts_held(), interrupts_allowed()
        self.labels = labels

    @property
    def gates(self) -> list[str]:
        """The names of the replaced gates, in forward order."""
        return list(self._replaced.functions)

    @property
    def labels(self) -> Tensor | None:
        """The class of each image of the next batch."""
        return self._replaced.labels

    @labels.setter
    def labels(self, labels: Tensor | Sequence[int] | None) -> None:
        self._replaced.labels = None if labels is None else _whole(labels)

    def __enter__(self) -> "intervene":
        """Replace the gates from now on."""
        self._replaced.check_off()
        self._held.__enter__()
        try:
            self._replaced.__enter__()
            self._allowed.__enter__()
        except BaseException:
            self._leave(None, None, None)
            raise
        return self

    @at_the_edge
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the model compute its gates again."""
        self._allowed.__exit__()
        self._leave(kind, error, trace)

    def _leave(self, kind: object, error: object, trace: object) -> None:
        try:
            self._replaced.__exit__(kind, error, trace)
        finally:
            self._held.__exit__()


def _whole(labels: Any) -> Tensor:
    """Return labels as a tensor, if they are whole numbers."""
    try:
        found = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):
        found = torch.tensor(float("nan"))
    if found.is_complex() or not bool((found == found.round()).all()):
        raise ModelError("labels must be whole numbers, one for each image; give the class numbers")
    return found
