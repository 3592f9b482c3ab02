"""Accuracy and agreement of a trained model under noise in its norms."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd
from torch import nn

from stripe.errors import StripeError
from stripe.hooks.mixed import warn_of_order
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.intervene.read_images import check_several_passes, compared, read_images
from stripe.modules.progress import progress_bar
from stripe.outputs.task import Agree, Predict, Task
from stripe.robustness.noise import inject_noise
from stripe.robustness.noise_spec import NoiseSpec
from stripe.typed import typed

#: The specifications of the noises in Table 8 of the paper, by kind.
TABLE_8 = {
    "constant": ["constant:0.8,0.8", "constant:0.8,0.5", "constant:0.5,0.5", "constant:0.5,0.2"],
    "random": [
        *("random:0.1,0.1", "random:0.1,0.2", "random:0.2,0.1", "random:0.2,0.2", "random:0.3,0.3"),
    ],
}

COLUMNS = ["noise", "seed", "accuracy", "images", "agreement", "agreement_low", "agreement_high"]

_Run = tuple[str, int, inject_noise]


@typed
def attack(
    model: nn.Module,
    loader: Iterable[Any],
    noises: Sequence[NoiseSpec | str],
    *,
    seeds: Sequence[int] = (0,),
    predict: Predict | None = None,
    agree: Agree | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure the accuracy and the agreement of a trained model under each of several noises.

    Parameters
    ----------
    model
        Any network with batch norms. It is not changed.
    loader
        Batches of images, or (images, labels). It must be possible to iterate over the loader
        several times.
    noises
        Specifications, as for `stripe.inject_noise`, without `when=train`, because the model runs
        in evaluation mode.
    seeds
        Seeds of random noise. Noise that is not random is measured once.
    predict, agree
        How outputs are read and predictions compared, as for `stripe.audit`.
    progress
        Show a progress bar.

    Returns
    -------
    DataFrame
        One row per noise and seed:

        - noise: a specification, or "none" in the first row;
        - seed; images, the number of images;
        - accuracy: 0 to 1; NaN without labels, or if the predictions are not classes;
        - agreement, agreement_low, agreement_high: agreement with the predictions without noise (0
          to 1), and its 95 % interval over images.

    Raises
    ------
    DataError
        If the loader is an iterator, or yields different images in a later pass.
    UnknownNameError
        If the model has no batch norm of a given name, or `agree` names no agreement.
    ModelError
        As for `stripe.inject_noise`; also if the loader is empty, the kind of the output is unknown
        and `predict` is not given, or the model outputs NaN without noise.
    StripeError
        If a specification is not valid or has `when=train`, there are no seeds, or `predict` does
        not return one prediction for each image.

    Warns
    -----
    UserWarning
        If images are sorted by class and a noise is "batch", which depends on the classes in a
        batch.

    Notes
    -----
    If the scores of an image become NaN, its prediction counts as changed and as wrong. Rows share
    their images, so the difference between two rows can be significant even if their intervals
    overlap.

    References
    ----------
    Section 6 (2), here in evaluation mode only.

    Examples
    --------
    >>> table = stripe.robustness.attack(model, loader, ["random:0.3,0.3"], seeds=[0, 1])
    >>> table["noise"].tolist()
    ['none', 'random:0.3,0.3', 'random:0.3,0.3']
    >>> table["agreement"][0]
    np.float64(1.0)
    """
    rows = attacks(
        model, loader, noises, seeds=seeds, predict=predict, agree=agree, progress=progress
    )
    return pd.DataFrame(rows, columns=COLUMNS)


def attacks(
    model: nn.Module,
    loader: Iterable[Any],
    noises: Sequence[NoiseSpec | str],
    *,
    seeds: Sequence[int] = (0,),
    predict: Predict | None = None,
    agree: Agree | None = None,
    progress: bool = True,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of `attack`, each once it is measured; the arguments are checked at once."""
    task = Task(predict, agree, _no_scores)
    check_several_passes(loader)
    return _measured(model, loader, task, _planned(model, noises, seeds), progress)


def _planned(
    model: nn.Module, noises: Sequence[NoiseSpec | str], seeds: Sequence[int]
) -> list[_Run]:
    """Return the name, the seed and the noise of each row except the first."""
    if not seeds:
        raise StripeError("an attack needs at least one seed, got none")
    runs: list[_Run] = []
    for noise in noises:
        spec = NoiseSpec.parse(noise) if isinstance(noise, str) else noise
        if spec.when == "train":
            raise StripeError(
                f"an attack is on evaluation, where {noise} does nothing; use when=eval"
            )
        chosen = seeds if spec.kind == "random" else seeds[:1]
        runs += [(str(noise), seed, inject_noise(model, spec, seed=seed)) for seed in chosen]
    return runs


def _measured(
    model: nn.Module, loader: Iterable[Any], task: Task, runs: Sequence[_Run], progress: bool
) -> Iterator[dict[str, Any]]:
    with progress_bar(1 + len(runs), "noise", progress) as bar:
        clean = read_images(model, loader, task, missing=False)
        about = {"images": len(clean.images)}
        if clean.sorted_by_class and any(noise.spec.kind == "batch" for *_, noise in runs):
            warn_of_order("its statistics are those of these classes")
        yield {"noise": "none", "seed": 0, **about, **compared(task, clean, clean)}
        bar.update()
        for name, seed, injected in runs:
            with interrupts_held(), injected, interrupts_allowed():
                found = read_images(model, loader, task, missing=True)
            bar.update()
            yield {"noise": name, "seed": seed, **about, **compared(task, clean, found)}


def _no_scores(output: Any) -> None:
    """Return no class scores, because no divergence is measured."""
