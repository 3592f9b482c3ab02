"""The context manager `stripe.intervene`: replace gates while a model runs."""

from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from stripe.errors import ModelError
from stripe.gates.find import DEFAULT_KINDS
from stripe.gates.freezing.means import Means
from stripe.interrupts import at_the_edge, interrupts_allowed, interrupts_held
from stripe.intervene.functions import How, check_names, function_of, needs_recording
from stripe.intervene.interventions import Interventions
from stripe.intervene.replaceable import replaceable_with
from stripe.select import Selection
from stripe.typed import typed
from stripe.warn import warn


class intervene:  # noqa: N801  # used like a function, as torch.no_grad is
    """Replace gates of a model inside a `with` block.

    The gates are found as in `stripe.find_gates`. The replacement takes effect at the module or the
    functions that compute the gate. All operations that read the gate, such as the spatial
    attention of CBAM, therefore read the replacement. Gradients pass through replacements. If
    blocks are nested, the inner intervention receives the gate that the outer one produced.

    Parameters
    ----------
    model
        Any network, in training or evaluation mode. Its weights, modules and hooks are restored
        afterwards. A compiled network runs uncompiled inside the block.
    how
        Replacement of a gate:

        - "mean": its recorded mean over images, per channel, as in `stripe.freeze`.
        - "grand_mean": its recorded mean over images and channels, one number.
        - "class_mean": its recorded mean over the images of the same class; needs `labels`.
        - "shuffle": for each image of the batch, the gate of another image of the batch. All gates
          of an image come from the same other image. If images are sorted by class, the other
          image mostly has the same class, so give batches in random order.
        - "resample": for each image of the batch, the gate of a random recorded image. All gates of
          an image come from the same recorded image.
        - "one" or "zero": the constant 1 or 0.
        - A number, or an array (C,) or (B, C). A tensor may require gradients.
        - A function from the gate, (B, C), to its replacement of the same shape.
        - A mapping from names of gates to any of these forms.
    recording
        A recording of this model or its directory. For means, also its table from
        `stripe.stats.channel_moments`, or a mapping from names of gates to vectors (C,).
    gates
        Gates to replace: "all", names, a pattern such as "layer3.*", or a predicate of `Gate`. For
        a mapping, "all" means the gates that it names. For an intervention that needs recorded
        values, "all" means the recorded gates.
    labels
        Class of each image of the next batch, shape (B,). Set the attribute `labels` before each
        batch.
    kinds
        Kinds of gate to choose from, as for `stripe.find_gates`. Maps of "spatial" attention have
        the shape (B, H * W).
    epoch
        Epoch of the recording. Default: the last.
    example
        A batch of images for finding the gates. Default: images of the recorded size, or of a size
        that the model accepts.
    seed
        Seed of "shuffle" and "resample". The generator starts from it whenever the block is
        entered. The global generators are untouched.
    force
        Use the recording even if it was made with other weights.

    Raises
    ------
    UnknownNameError
        If the model has no gate of a given name. The message lists the closest names.
    RecordingError
        If the epoch was not recorded, the recording has no labels for "class_mean", or it has no
        values for "class_mean" or "resample".
    ModelError
        - When the intervention is created: if `how` is a text that names no intervention, a
          required recording is missing or was made with other weights, an array has the wrong
          shape, there are no gates, a gate is not recorded or cannot be replaced, or labels are not
          whole numbers.
        - When the block is entered: if the same object is already in use.
        - When the model runs: if a function returns another shape, an array (B, C) does not fit the
          batch, labels are missing, a class was not recorded, "shuffle" receives a single image, or
          gradients would not be those of the replacement.
        - At the end of the block: if the model ran but a gate was not replaced.

    Warns
    -----
    UserWarning
        At the end of the block, if the model did not run and no gate was replaced.

    Notes
    -----
    Under an intervention, the later layers receive inputs that did not occur in training. "mean"
    and "shuffle" keep the scale of every channel. "grand_mean", "one" and "zero" do not, so a large
    effect of these shows that the scale matters, not that the image matters. "shuffle" keeps the
    distribution of each gate, but removes its relation to the image.

    Call the model itself, `model(images)`. A call to another method, such as `forward_features`, is
    not recognised as a new forward pass. Gates that functions compute may then not be replaced, and
    "shuffle" and "resample" reuse the draw of the last call to the model. If you need an unchanged
    copy inside the block, make it before the block. The gates of a copy that is made inside the
    block are replaced until the block ends.

    If the network recomputes activations, as with `torch.utils.checkpoint`, call `backward` inside
    the block. Outside, the activations are recomputed without the intervention. If functions inside
    a checkpoint, or inside a `torch.autograd.Function`, multiply by the gate, the gradients would
    ignore the replacement. An error is therefore raised unless gradients are switched off.

    Examples
    --------
    >>> model = stripe.build("resnet20", attention="se", num_classes=10, in_channels=1)
    >>> images = torch.randn(8, 1, 28, 28)
    >>> with stripe.intervene(model.eval(), "shuffle", gates="layer3.*") as running:
    ...     running.gates[0], model(images).shape
    ('layer3.0.bn3.gate', torch.Size([8, 10]))
    """

    @typed
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
        check_names(how)
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

    def __repr__(self) -> str:
        return f"intervene(gates={self.gates})"

    @property
    def gates(self) -> list[str]:
        """Names of the replaced gates, in forward order."""
        return list(self._replaced.functions)

    @property
    def labels(self) -> Tensor | None:
        """Class of each image of the next batch."""
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
            return self  # here, so that an interrupt at this line undoes the entry too
        except BaseException:
            self._allowed.__exit__()
            self._leave(None, None, None)
            raise

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
        if error is None and self._replaced.idle:
            warn(
                "no gate was replaced inside the block; call the model itself, model(images), and "
                "not another of its methods"
            )

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
    if not found.is_floating_point() and not found.is_complex():
        return found.to(torch.int64)  # also of bool and of unsigned numbers
    if found.is_complex() or not bool((found == found.round()).all()):
        raise ModelError("labels must be whole numbers, one for each image; give the class numbers")
    return found
