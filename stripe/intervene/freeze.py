"""Freeze gates at their means, at optimal constants, or where they are exactly 0 or 1."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from stripe.errors import ModelError, StripeError
from stripe.gates.choose import chosen_gates
from stripe.gates.freezing.exact import freeze_exactly
from stripe.gates.freezing.freeze import check_in_place, freeze_at, in_place
from stripe.gates.freezing.frozen import Frozen
from stripe.gates.freezing.means import Means
from stripe.gates.freezing.plan import Plan, plan
from stripe.hooks.batches import numbered_batches
from stripe.hooks.mixed import mixed, random_halves
from stripe.intervene.compared import compare_constants, compare_frozen
from stripe.intervene.optimal import LR, optimal_constants
from stripe.intervene.read_images import check_several_passes
from stripe.modules.seeded import generator_kept
from stripe.outputs.task import Agree, Predict, Task
from stripe.select import Selection
from stripe.typed import typed
from stripe.warn import warn

#: The kinds of constants.
CONSTANTS = ("mean", "optimal", "exact")

#: Images and labels, in batches.
Batches = Sequence[tuple[Tensor, Tensor] | Tensor]


@typed
def freeze(
    model: nn.Module | ExportedProgram,
    data: Means,
    *,
    gates: Selection = "all",
    fold: bool = True,
    epoch: int | None = None,
    example: Tensor | None = None,
    force: bool = False,
    inplace: bool = False,
    constants: str = "mean",
    images: Iterable[Any] | None = None,
    lr: float = LR,
    predict: Predict | None = None,
    agree: Agree | None = None,
    progress: bool = True,
) -> Frozen:
    """Replace gates by constants, and fold each constant into an adjacent layer.

    With `constants="mean"`, gates are frozen by `stripe.gates.freeze_at`, whose documentation
    describes folding. With "optimal", `stripe.intervene.optimal.optimal_constants` learns the
    constants: it starts at the means, and makes one pass over a random half of `images`. On the
    other half of the images, the learned constants are compared with the means. The division has a
    fixed seed. If all images have labels, it divides each class evenly. Learning changes only the
    constants, not the weights of the network.

    With "exact", the outputs for the recorded images stay identical to the last bit. A gate is
    frozen and folded if each of its channels was either 0 for all images or 1 for all images. All
    other gates are still computed. Where the layers that read the product allow it, channels that
    were 0 for all images get weights of 0 in these layers. `assumed` lists the channels that the
    frozen network treats as constant at their recorded value (0 or 1), although another image could
    give another value. These gates are left unchanged, because a recording does not hold their
    exact values: gates in float64, gates in another dtype than when they were recorded, and gates
    with several rows per image.

    Parameters
    ----------
    model
        Any network or, unless `constants` is "optimal", a `torch.export.ExportedProgram`. It is not
        changed unless `inplace`.
    data
        Source of the means: a recording of this network or its directory, its table from
        `stripe.stats.channel_moments`, or a mapping from names of gates to vectors (C,).
    gates, fold, epoch, example, force, inplace
        As for `stripe.gates.freeze_at`.
    constants
        "mean", "optimal" or "exact". "optimal" needs a network that outputs class scores, for each
        image or for each position, and minimises the KL divergence from the unchanged network.
    images
        Batches of images, or (images, labels), on which the networks are compared. "optimal" needs
        at least 2 images, learns from a random half and compares on the rest. For "mean" and
        "exact", give images that were not recorded, in a loader that can be iterated over twice.
    lr
        For "optimal": learning rate of Adam, in units of the gate's spread over images.
    predict, agree
        How outputs are read and predictions compared, as for `stripe.audit`. For "optimal",
        `predict` must return class scores (B, classes). Default: depends on the output.
    progress
        For "optimal": show progress bars.

    Returns
    -------
    Frozen
        `model`, the frozen network (a copy unless `inplace`); `report`, with a row for each chosen
        gate; and `error`, the difference between the outputs with folded and with unfolded
        constants. With `images`, `comparison` compares the frozen network with the unchanged one:
        agreement for any task, and accuracy and KL divergence for a classifier. For "optimal",
        `comparison` also has the network with the means, and uses only the held-out images. For
        "exact", `report` also has off (number of channels that were 0 for all images), on (number
        that were 1) and taken (number of these channels whose gate values the frozen network no
        longer computes or reads); `assumed` lists the channels that `taken` counts.

    Raises
    ------
    UnknownNameError
        If a gate is not in the model or not in the data, or `agree` names no agreement.
    RecordingError
        If the epoch was not recorded.
    DataError
        For "mean" and "exact", if `images` is an iterator, or yields different images in the second
        pass.
    ModelError
        As for `stripe.gates.freeze_at`; also if `images` is empty, or if `model` is an exported
        program and "optimal" or `inplace` is chosen. For "optimal", also as for
        `stripe.sensitivity`.
    StripeError
        In one of these cases:

        - `constants` is unknown;
        - "optimal" is chosen, but `images` are missing or fewer than 2, no gate is chosen, or `lr`
          is not positive and finite;
        - `predict` does not return one prediction for each image;
        - "exact" is chosen, but `data` holds vectors or `fold` is False.

    Notes
    -----
    The learned constants can be worse than the means if `lr` is too large for a gate or there are
    few images. `comparison` shows this, and a warning says so if the difference is clear; the
    learned constants are returned in any case. The images are mixed, so images that are sorted by
    class do not spoil the constants.

    Examples
    --------
    >>> frozen = stripe.freeze(model, recording, gates="layer3.*")
    >>> frozen.report[["gate", "folded", "into"]]
                    gate  folded            into
    0  layer3.0.bn2.gate    True  layer3.0.bn2
    >>> best = stripe.freeze(model, recording, constants="optimal", images=loader, progress=False)
    >>> best.comparison["constants"].tolist()
    ['none', 'mean', 'optimal']
    """
    if constants not in CONSTANTS:
        raise StripeError(f"constants are {', '.join(CONSTANTS)}, got {constants!r}")
    check_in_place(model, inplace)
    task = Task(predict, agree)
    if constants != "optimal":
        which: dict[str, Any] = {"gates": gates, "epoch": epoch, "example": example, "force": force}
        if images is not None:
            check_several_passes(images)
        frozen = _frozen(model, data, constants, fold, which)
        if images is not None:
            table = compare_frozen(model, frozen, images, task, constants)
            frozen = replace(frozen, comparison=table)
        return in_place(model, frozen) if inplace else frozen
    if not isinstance(model, nn.Module):
        raise ModelError("optimal constants need gradients of a module, got an exported program")
    known, held_out = in_halves(images)
    if example is None:
        first, *more = (batch if isinstance(batch, Tensor) else batch[0] for batch in known[:2])
        # A batch may hold one image, and two show what depends on the image.
        example = torch.cat([first, *(b for b in more if b.shape[1:] == first.shape[1:])])[:2]
    found: dict[str, Any] = {"epoch": epoch, "example": example, "force": force}
    found |= {"predict": predict, "progress": progress}
    planned = plan(model, data, epoch=epoch, example=example, force=force)
    able = _freezable(planned, gates)
    learned = mixed(batch if isinstance(batch, Tensor) else batch[0] for batch in known)
    vectors = optimal_constants(model, learned, data, able, lr=lr, **found)
    comparison = compare_constants(model, held_out, data, vectors, agree=agree, **found)
    _warn_if_worse(comparison)
    frozen = replace(planned, means={**planned.means, **vectors}).freeze(gates, fold=fold)
    frozen = replace(frozen, comparison=comparison)
    return in_place(model, frozen) if inplace else frozen


def _warn_if_worse(comparison: pd.DataFrame) -> None:
    """Warn if learned constants change the held-out outputs clearly more than the means do."""
    found = comparison.set_index("constants")
    mean, learned = found.loc["mean"], found.loc["optimal"]
    if learned["kl_low"] > mean["kl"]:
        warn(
            "the learned constants change the outputs more than the means do: the KL divergence on "
            f"the held-out images is {learned['kl']:.3g}, and {mean['kl']:.3g} with means; give "
            'more images or a smaller lr, or use constants="mean"'
        )


def _freezable(planned: Plan, gates: Selection) -> list[str]:
    """Return the chosen gates that can be frozen."""
    chosen = [gate.name for gate in chosen_gates([p.gate for p in planned.places], gates)]
    able = [name for name in chosen if name not in planned.kept]
    if not chosen:
        raise StripeError(
            "optimal constants need at least one gate, and no gate is chosen; give gates=, or "
            "leave it out to learn constants for all gates"
        )
    if not able:
        raise ModelError(f"{chosen[0]!r} cannot be frozen: {planned.kept[chosen[0]]}")
    return able


def _frozen(
    model: nn.Module | ExportedProgram,
    data: Means,
    constants: str,
    fold: bool,
    which: dict[str, Any],
) -> Frozen:
    """Freeze gates at constants that are not learned."""
    if constants == "mean":
        return freeze_at(model, data, fold=fold, **which)
    if not fold:
        raise StripeError('constants="exact" are folded; leave fold=False out')
    return freeze_exactly(model, data, **which)


def in_halves(images: Iterable[Any] | None) -> tuple[Batches, Batches]:
    """Return a random half of the images of a loader, in batches, and the rest; both with labels.

    Raises
    ------
    StripeError
        If `images` is None or holds fewer than 2.
    """
    if images is None:
        raise StripeError('constants="optimal" are learned from images; give images=, a loader')
    with generator_kept():
        given = [(batch, labels) for _, batch, labels in numbered_batches(images)]
    sizes = [len(batch) for batch, _ in given]
    if sum(sizes) < 2:
        raise StripeError(
            f"optimal constants need at least 2 images, one to learn from and one to compare on, "
            f"got {sum(sizes)}"
        )
    known = [labels for _, labels in given if labels is not None]
    whole = torch.cat(known) if len(known) == len(given) else None
    learned = torch.zeros(sum(sizes), dtype=torch.bool)
    learned[random_halves(len(learned), labels=whole)[0]] = True
    halves: tuple[list[Any], list[Any]] = ([], [])
    for rows in learned.split(sizes):
        batch, labels = given.pop(0)  # so that the images are not in memory twice
        for half, chosen in zip(halves, (rows, ~rows), strict=True):
            if chosen.any():
                images_of = batch[chosen]
                half.append(images_of if labels is None else (images_of, labels[chosen]))
    return halves
