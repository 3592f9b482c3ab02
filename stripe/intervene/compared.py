"""Compare networks whose gates are constants with the unchanged network."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from torch import nn
from torch.export import ExportedProgram

from stripe.gates.freezing.checked_copy import accepted
from stripe.gates.freezing.frozen import Frozen
from stripe.gates.freezing.means import Means, constants
from stripe.intervene.ablate import ablate
from stripe.intervene.read_images import compared, read_images
from stripe.intervene.replaced import paused
from stripe.outputs.task import Task


def compare_constants(
    model: nn.Module,
    loader: Iterable[Any],
    means: Means,
    optimal: Mapping[str, np.ndarray],
    *,
    epoch: int | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Compare a network whose gates are optimal constants with one whose gates are means.

    Parameters
    ----------
    model, loader
        The network, and held-out images.
    means
        Source of the means, as for `stripe.freeze`.
    optimal
        A vector for each gate that is frozen, by name.
    epoch
        The epoch of the recording that holds the means.
    **options
        For `ablate`.

    Returns
    -------
    DataFrame
        constants ("none" for the untouched network, "mean", "optimal"), gates (number of frozen
        gates), and agreement, kl and accuracy with their 95 % intervals, as in `ablate`.
    """
    vectors = constants(means, epoch).vectors
    hows = {"mean": {name: np.array(vectors[name]) for name in optimal}, "optimal": optimal}
    table = ablate(model, loader, None, hows, list(optimal), alone=False, **options)
    table = table.rename(columns={"intervention": "constants", "gate": "gates"})
    return table.assign(gates=[0] + [len(optimal)] * len(hows))


def compare_frozen(
    model: nn.Module | ExportedProgram,
    frozen: Frozen,
    loader: Iterable[Any],
    task: Task,
    name: str,
) -> pd.DataFrame:
    """Compare a frozen network with the unchanged one, which runs without any intervention.

    Parameters
    ----------
    model, frozen
        The unchanged network, and the result of freezing it.
    loader
        Batches of images, or (images, labels); it is passed over twice.
    task
        How outputs are read and predictions compared.
    name
        Kind of the constants.

    Returns
    -------
    DataFrame
        constants ("none" for the unchanged network, `name`), gates (number of frozen gates), and
        agreement, kl and accuracy with their 95 % intervals, as in `ablate`.

    Raises
    ------
    DataError
        If the loader gives other images in the second pass.
    """
    with paused():
        before = read_images(accepted(model), loader, task, missing=False)
        after = read_images(frozen.model, loader, task, missing=True)
    of_networks = {"none": (0, before), name: (int(frozen.report["frozen"].sum()), after)}
    return pd.DataFrame(
        [
            {"constants": constant, "gates": gates, **compared(task, before, now)}
            for constant, (gates, now) in of_networks.items()
        ]
    )
