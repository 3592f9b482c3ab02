"""Replace gates while a model runs."""

from collections.abc import Collection, Mapping, Sequence
from types import TracebackType

import torch
from torch import Tensor, nn

from stripe.gates.find import DEFAULT_KINDS
from stripe.gates.fingerprint import check_fingerprint
from stripe.gates.means import Means
from stripe.interrupts import at_the_edge, interrupts_allowed, interrupts_held
from stripe.intervene.functions import How, function_of, needs_recording
from stripe.intervene.interventions import Interventions
from stripe.intervene.recorded import Recorded
from stripe.intervene.replaceable import replaceable
from stripe.select import Selection


class intervene:  # noqa: N801  # used like a function, as torch.no_grad is
    """Replace gates of a model while a context is open.

    The gates are found as `stripe.find_gates` finds them, and replaced where they are made, whether
    a module makes them or functions in one. What else reads a gate reads what stands for it, as the
    spatial map of CBAM does. Gradients go through the replacements. An inner intervention on the
    same gate is given what the outer one made of it.

    Parameters
    ----------
    model
        Any network, in training or evaluation; its weights, modules and hooks are afterwards as
        they were. A compiled one runs uncompiled meanwhile.
    how
        What stands for a gate:

        - "mean": its recorded mean over images, per channel, as `stripe.freeze` has it.
        - "grand_mean": one number, the mean over images and channels.
        - "class_mean": the recorded mean over the images of the same label; needs `labels`.
        - "shuffle": the gate of another image of the batch, the same other image for all gates.
        - "resample": the gate of a recorded image, the same for all gates.
        - "one", "zero".
        - A number, a vector (C,) or rows (B, C). A tensor may require gradients.
        - A function from the gate, (B, C), to what stands for it, in the same shape.
        - A mapping from names of gates to any of these.
    recording
        What was recorded of this model: a recording or its directory; for means also the table of
        `stripe.stats.channel_moments`, or a vector for each gate, by name.
    gates
        Which gates: "all" (of a mapping, those that it names), names, a pattern such as "layer3.*",
        or a predicate of `Gate`.
    labels
        The class of each image of the next batch, shape (B,). The attribute `labels` can be set
        before each batch.
    kinds
        Which kinds of gate can be chosen, as for `stripe.find_gates`; maps of "spatial" attention
        come as (B, H W).
    epoch
        Epoch of the recording. Default: the last.
    example
        A batch of images, with which the gates are found. Default: images of the recorded size, or
        of one that the model takes.
    seed
        Seed of "shuffle" and "resample", used anew each time the context is entered. The global
        generators are untouched.
    force
        Take what was recorded from other weights than the model has.

    Raises
    ------
    UnknownNameError
        If the model does not have a gate; the message names the nearest.
    ModelError
        If there is no such intervention, it needs a recording or labels that are missing, the
        recording is of other weights, an array does not fit a gate, or a gate cannot be replaced:
        when the context is made. If what a function returns has another shape, or labels are
        missing: when the model runs. If the model ran and a gate was not replaced: at the end.

    Notes
    -----
    An intervention takes the model where it was not trained, and the layers behind a gate are given
    what they never saw. "mean" and "shuffle" keep the scale of every channel, "grand_mean", "one"
    and "zero" do not: a large effect of those says that the scale matters and not the image.
    "shuffle" keeps each gate's distribution and breaks its relation to the image.

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
        recorded = Recorded(recording, epoch)
        if recording is not None and not force:
            check_fingerprint(model, recording, epoch)
        found = replaceable(model, kinds, example=example, shape=recorded.input_shape)
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
        """The names of the gates that are replaced, in forward order."""
        return list(self._replaced.functions)

    @property
    def labels(self) -> Tensor | None:
        """The class of each image of the next batch."""
        return self._replaced.labels

    @labels.setter
    def labels(self, labels: Tensor | Sequence[int] | None) -> None:
        self._replaced.labels = None if labels is None else torch.as_tensor(labels)

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
