"""What audits of networks and of graphs share: images, the table of gates, the file to write."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from stripe.errors import StripeError
from stripe.hooks.batches import numbered_batches
from stripe.recording import Recording
from stripe.stats import stripe_index


def gather(loader: Iterable[Any], limit: int) -> tuple[Tensor, Tensor | None]:
    """Return the first images of a loader, and their labels if all have some."""
    images: list[Tensor] = []
    labels: list[Tensor] = []
    for _, batch, of_batch in numbered_batches(loader):
        if images and batch.shape[1:] != images[0].shape[1:]:
            raise StripeError(
                f"images must all have one size, got {tuple(images[0].shape[1:])} and "
                f"{tuple(batch.shape[1:])}; resize them"
            )
        images.append(batch)
        if of_batch is not None:
            labels.append(of_batch)
        if sum(map(len, images)) >= limit:
            break
    count = sum(map(len, images))
    if min(count, limit) < 4:
        raise StripeError(f"an audit needs at least 4 images, got {min(count, limit)}")
    whole = torch.cat(labels)[:limit] if sum(map(len, labels)) == count else None
    return torch.cat(images)[:limit], whole


def gate_table(recording: Recording, moments: pd.DataFrame, folds: pd.DataFrame) -> pd.DataFrame:
    """Return the table of gates of an `Audit`; `folds` is the report of freezing all of them."""
    index = stripe_index(moments).drop(columns=["epoch"])
    mean = moments.groupby("gate", sort=False)["mean"].apply(lambda m: float((m**2).mean() ** 0.5))
    spread = index["within_var"] ** 0.5
    index["relative_spread"] = (spread / index["gate"].map(mean)).where(spread > 0, 0.0)
    known = recording.gates[["name", "owner_class", "kind", "channels"]]
    table = known.rename(columns={"name": "gate"}).merge(index, on="gate").merge(folds, on="gate")
    return table.drop(columns=["between_var", "within_var"])


def check_writable(path: Path) -> None:
    """Raise before the work is done if the report could not be written after it."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise StripeError(f"cannot write the report {path}; choose another file with out=")
