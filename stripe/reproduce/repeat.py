"""Repeat published runs that are drawn by lot, and compare their numbers."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stripe.errors import StripeError
from stripe.reproduce.engines import Local, Ray
from stripe.reproduce.published import PublishedRun, read_published
from stripe.reproduce.reproduction import Reproduction
from stripe.reproduce.store.runs import StoredRun, stored
from stripe.train import TrainConfig


@dataclass(frozen=True)
class Lot:
    """A published run that was drawn, and the same run in another store.

    Parameters
    ----------
    exhibit
        Name of the table or figure.
    published
        The run with its published numbers.
    chain
        The run as it is repeated, behind the runs that it needs.
    """

    exhibit: str
    published: PublishedRun
    chain: Sequence[StoredRun]


def drawn(
    found: Sequence[Reproduction],
    reports: Path,
    *,
    count: int,
    seed: int,
    store: Path,
    data_root: Path = TrainConfig.data_root,
) -> list[Lot]:
    """Draw published runs, each once, except those that measure times.

    Parameters
    ----------
    found
        Exhibits at the scale of the reports.
    reports
        The folder with the published numbers.
    count
        Number of runs, or all if fewer are published.
    seed
        Seed of the draw.
    store
        The folder in which the runs are repeated.
    data_root
        The folder that holds data sets.

    Raises
    ------
    StripeError
        If no number is published that can be repeated.
    """
    lots: dict[str, Lot] = {}
    for one in found:
        kind = one.exhibit.kind
        for (cell, number), run in read_published(reports, one.exhibit.name, one.runs).items():
            configs = kind.planned(one.scale, cell, number)
            chain = [stored(config, store, data_root) for config in configs]
            if not run.timed_on:
                lots.setdefault(run.config.out.name, Lot(one.exhibit.name, run, chain))
    if not lots:
        raise StripeError(f"{reports} has no numbers of these exhibits that can be repeated")
    names = random.Random(seed).sample(sorted(lots), min(count, len(lots)))
    return [lots[name] for name in names]


def repeated(lots: Sequence[Lot], engine: Local | Ray) -> pd.DataFrame:
    """Execute drawn runs, and compare their numbers with the published ones.

    Returns
    -------
    DataFrame
        One row per number: exhibit, run (its address), metric, number, published, repeated (NaN if
        the run failed), equal (to the bit).
    """
    engine.run([run for lot in lots for run in lot.chain])
    rows = []
    for lot in lots:
        own = lot.chain[-1].scores if lot.chain[-1].state == "finished" else {}
        for metric, numbers in lot.published.scores.items():
            for number, before in numbers.items():
                now = own.get(metric, {}).get(number, float("nan"))
                rows.append({
                    "exhibit": lot.exhibit, "run": lot.published.config.out.name, "metric": metric,
                    "number": number, "published": before, "repeated": now, "equal": before == now,
                })  # fmt: skip
    return pd.DataFrame(rows)
