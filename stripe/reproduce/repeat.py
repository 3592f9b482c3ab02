"""Repeat randomly drawn published runs, and compare the numbers."""

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
class Draw:
    """A published run, and the same run in another store.

    Parameters
    ----------
    exhibit
        Name of the table or figure.
    published
        The run with its published numbers.
    chain
        The runs that the repetition needs, in order. The last one is the repetition itself.
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
) -> list[Draw]:
    """Draw published runs at random, without replacement. Runs that measure times are left out.

    Parameters
    ----------
    found
        Exhibits at the scale of the reports.
    reports
        The folder with the published numbers.
    count
        Number of runs. If fewer are published, all of them are drawn.
    seed
        Seed of the draw.
    store
        The folder in which the runs are repeated.
    data_root
        The folder that holds data sets.

    Raises
    ------
    StripeError
        If no published number can be repeated.
    """
    draws: dict[str, Draw] = {}
    for one in found:
        kind = one.exhibit.kind
        for cell, runs in one.runs.items():
            for run in read_published(reports, runs).values():
                configs = kind.planned(one.scale, cell, run.config.seed)
                chain = [stored(config, store, data_root) for config in configs]
                if not run.timed_on:
                    draws.setdefault(run.config.out.name, Draw(one.exhibit.name, run, chain))
    if not draws:
        raise StripeError(f"{reports} has no numbers of these exhibits that can be repeated")
    names = random.Random(seed).sample(sorted(draws), min(count, len(draws)))
    return [draws[name] for name in names]


def repeated(draws: Sequence[Draw], engine: Local | Ray) -> pd.DataFrame:
    """Execute drawn runs, and compare their numbers with the published ones.

    Raises
    ------
    StripeError
        If a run is already finished in its store, because it would not be executed.

    Returns
    -------
    DataFrame
        One row per number: exhibit; run, the name of its directory; metric; number; published;
        repeated, NaN if the run failed; equal, whether the two are equal to the last bit.
    """
    for draw in draws:
        if draw.chain[-1].state == "finished":
            raise StripeError(
                f"a run is repeated in a store without it, and {draw.chain[-1].config.out} is "
                "finished; choose another store"
            )
    engine.run([run for draw in draws for run in draw.chain])
    rows = []
    for draw in draws:
        whose = {"exhibit": draw.exhibit, "run": draw.published.config.out.name}
        own = draw.chain[-1].scores if draw.chain[-1].state == "finished" else {}
        for metric, numbers in draw.published.scores.items():
            for number, before in numbers.items():
                now = own.get(metric, {}).get(number, float("nan"))
                same = {"published": before, "repeated": now, "equal": before == now}
                rows.append({**whose, "metric": metric, "number": number, **same})
    return pd.DataFrame(rows)
