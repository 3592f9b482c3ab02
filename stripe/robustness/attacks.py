"""Accuracy of a trained model under noise in its norms."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from stripe.errors import DataError, StripeError
from stripe.hooks.batches import numbered_batches
from stripe.interrupts import interrupts_allowed, interrupts_held
from stripe.modules.accuracy import right_of
from stripe.modules.progress import progress_bar
from stripe.modules.unwrap import device_of
from stripe.robustness.noise import inject_noise
from stripe.robustness.noise_spec import NoiseSpec

#: The noises of the paper's table.
TABLE_8 = {
    "constant": ["constant:0.8,0.8", "constant:0.8,0.5", "constant:0.5,0.5", "constant:0.5,0.2"],
    "random": [
        *("random:0.1,0.1", "random:0.1,0.2", "random:0.2,0.1", "random:0.2,0.2", "random:0.3,0.3"),
    ],
}

COLUMNS = ["noise", "seed", "accuracy", "images"]

_Run = tuple[str, int, inject_noise | None]


def attack(
    model: nn.Module,
    loader: Any,
    noises: Sequence[NoiseSpec | str],
    *,
    seeds: Sequence[int] = (0,),
    progress: bool = True,
) -> pd.DataFrame:
    """Measure the accuracy of a trained model under each of several noises.

    Parameters
    ----------
    model
        Any classifier with batch norms. It is not changed.
    loader
        Batches (images, labels). It must be possible to iterate over the loader several times.
    noises
        Specifications, as for `stripe.inject_noise`.
    seeds
        Seeds of random noise. Noise that is not random is measured once.
    progress
        Show a progress bar.

    Returns
    -------
    DataFrame
        One row per noise and seed: noise (a specification, or "none" in the first row), seed,
        accuracy (0 to 1), images (number).

    Raises
    ------
    DataError
        If the loader has no labels, or is empty.
    StripeError, ModelError
        If a specification is not valid, or does not match any norm of the model.

    References
    ----------
    Section 6 (2), here in evaluation mode only.

    Examples
    --------
    >>> table = stripe.robustness.attack(model, loader, ["random:0.3,0.3"], seeds=[0, 1])
    >>> table["noise"].tolist()
    ['none', 'random:0.3,0.3', 'random:0.3,0.3']
    """
    return pd.DataFrame(
        attacks(model, loader, noises, seeds=seeds, progress=progress), columns=COLUMNS
    )


def attacks(
    model: nn.Module,
    loader: Any,
    noises: Sequence[NoiseSpec | str],
    *,
    seeds: Sequence[int] = (0,),
    progress: bool = True,
) -> Iterator[tuple[str, int, float, int]]:
    """Yield the rows of `attack`, each once it is measured; the arguments are checked at once."""
    runs = _planned(model, noises, seeds)
    return _measured(model, loader, runs, progress)


def _planned(
    model: nn.Module, noises: Sequence[NoiseSpec | str], seeds: Sequence[int]
) -> list[_Run]:
    """Return the name, the seed and the noise of each row, the first without noise."""
    if not seeds:
        raise StripeError("an attack needs at least one seed, got none")
    runs: list[_Run] = [("none", 0, None)]
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
    model: nn.Module, loader: Any, runs: Sequence[_Run], progress: bool
) -> Iterator[tuple[str, int, float, int]]:
    with progress_bar(len(runs), "noise", progress) as bar:
        for name, seed, injected in runs:
            if injected is None:
                accuracy, images = _accuracy(model, loader)
            else:
                with interrupts_held(), injected, interrupts_allowed():
                    accuracy, images = _accuracy(model, loader)
            bar.update()
            yield name, seed, accuracy, images


def _accuracy(model: nn.Module, loader: Any) -> tuple[float, int]:
    device = device_of(model) or torch.device("cpu")
    right, count = right_of(model, _labelled(loader), device).tolist()
    if not count:
        raise DataError("a loader must give at least one batch, got none")
    return right / count, count


def _labelled(loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
    for _, images, labels in numbered_batches(loader):
        if labels is None:
            raise DataError("accuracy needs labels; give a loader of (images, labels)")
        yield images, labels
