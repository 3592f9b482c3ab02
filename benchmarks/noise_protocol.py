"""Measure when the noise of Table 8 has to be there for the paper's pattern to appear.

    python -m benchmarks.noise_protocol
    python -m benchmarks.noise_protocol --report    # no training: the table of what is finished

Bare and ASR(SE) networks are trained on fashion-mini, in float32, with plain momentum, under noise
in training, in training and evaluation, or in evaluation alone (a clean training, disturbed when it
is tested). Finished trainings stay in the store, so an interrupted measurement continues where it
stopped. Both lengths were chosen by the time at hand, before any result was seen.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from benchmarks.common import save
from stripe.demos.demo import demo_config
from stripe.reproduce.engines import Local
from stripe.reproduce.store.runs import StoredRun, stored
from stripe.robustness import attack
from stripe.settings import Settings
from stripe.train import TrainConfig
from stripe.train.trained import open_trained

RESULT = Path(__file__).parent / "results" / "noise_protocol.json"
#: The page that shows the table, between two comments.
PAGE = Path(__file__).parents[1] / "docs" / "protocol.md"
BEGIN, END = (
    f"<!-- Generated from benchmarks/results/noise_protocol.json: {edge}. -->"
    for edge in ("begin", "end")
)
ASR = {"bare": None, "ASR(SE)": "se"}
#: For each network its epochs, its noises, when they are there, and the number of seeds.
GRID: dict[str, tuple[int, tuple[str, ...], tuple[str, ...], int]] = {
    "resnet20": (4, ("constant:0.8,0.8", "random:0.3,0.3"), ("train", "both", "eval"), 5),
    "resnet164": (2, ("constant:0.8,0.8", "constant:0.5,0.2"), ("both",), 2),
}


@dataclass(frozen=True)
class Trial:
    """A network under a noise that is there in training, in evaluation, in both or never."""

    backbone: str
    network: str
    noise: str
    when: str
    seed: int

    @property
    def config(self) -> TrainConfig:
        """The training; a noise that is there in evaluation alone leaves it clean."""
        epochs = GRID[self.backbone][0]
        base = demo_config(out=Path(), seed=self.seed, device="cpu", epochs=epochs)
        clean = self.when in ("never", "eval")
        return replace(
            base,
            backbone=self.backbone,
            attention=None,
            asr=ASR[self.network],
            record=False,
            precision="fp32",
            noise=None if clean else f"{self.noise},when={self.when}",
        )


def trials() -> Iterator[Trial]:
    """Yield all trials, seed by seed, so that an interrupted measurement is balanced."""
    for backbone, (_, noises, times, seeds) in GRID.items():
        for seed, network in product(range(seeds), ASR):
            yield Trial(backbone, network, "none", "never", seed)
            for noise, when in product(noises, times):
                yield Trial(backbone, network, noise, when, seed)


def run_of(trial: Trial, store: Path) -> StoredRun:
    """Return the training of a trial in the store."""
    return stored(trial.config, store)


def row(trial: Trial, store: Path) -> dict[str, Any]:
    """Return the numbers of a finished trial: test accuracy in percent, after the last epoch."""
    run = run_of(trial, store)
    result: dict[str, Any] = {**vars(trial), "last": run.scores["top1"]["last"]}
    if trial.when == "eval":
        result["last"] = 100 * _disturbed(run.config, trial)
    else:
        result["best"] = run.scores["top1"]["best"]
    return result


def _disturbed(config: Settings, trial: Trial) -> float:
    model, loaders = open_trained(config.out, device="cpu")
    noise = f"{trial.noise},when=eval"
    table = attack(model, loaders.test, [noise], seeds=[trial.seed], progress=False)
    return float(table["accuracy"].iloc[-1])


def summary(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return mean, standard deviation and n over seeds of each kind of trial."""
    by = ["backbone", "noise", "when", "network"]
    last = pd.DataFrame(rows).groupby(by, sort=False)["last"]
    return last.agg(["mean", "std", "count"]).round(2)


def gains(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str], str]:
    """Return by how much less ASR(SE) loses to a noise than the bare network does.

    Losses are paired by seed, and the interval is Student's t at 95 %.
    """
    last = {
        (r["backbone"], r["noise"], r["when"], r["network"], r["seed"]): r["last"] for r in rows
    }
    ahead: dict[tuple[str, str, str], dict[int, float]] = {}
    for (backbone, noise, when, network, seed), bare in last.items():
        if network == "bare" and (asr := last.get((backbone, noise, when, "ASR(SE)", seed))):
            ahead.setdefault((backbone, noise, when), {})[seed] = asr - bare
    found = {}
    for (backbone, noise, when), of_noise in ahead.items():
        clean = ahead.get((backbone, "none", "never"), {})
        paired = pd.Series([of_noise[seed] - clean[seed] for seed in of_noise if seed in clean])
        if noise != "none" and (n := len(paired)) > 1:
            half = stats.t.ppf(0.975, n - 1) * paired.std() / n**0.5
            found[(backbone, noise, when)] = f"{paired.mean():+.1f} ± {half:.1f}"
    return found


def markdown(table: pd.DataFrame, gained: dict[tuple[str, str, str], str]) -> str:
    """Return a row for each backbone, noise and time, and a column for each network."""
    cells = {
        (row["backbone"], row["noise"], row["when"], row["network"]): (
            f"{row['mean']:.1f} ± {row['std']:.1f} ({row['count']:.0f})"
        )
        for row in table.reset_index().to_dict("records")
    }
    kinds = dict.fromkeys(key[:3] for key in cells)
    columns = [*ASR, "loss of bare - loss of ASR(SE)"]
    lines = [f"| network | noise | when | {' | '.join(columns)} |", f"|{'---|' * 6}"]
    for kind in kinds:
        numbers = [cells.get((*kind, name), "") for name in ASR] + [gained.get(kind, "")]
        lines.append(f"| {' | '.join([*kind, *numbers])} |")
    return "\n".join(lines)


def publish(text: str) -> None:
    """Put the table into the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main() -> None:
    """Train what is missing, and write and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--store", type=Path, default=Path("runs/noise-protocol"))
    parser.add_argument("--backbone", choices=GRID, action="append", help="default: all")
    parser.add_argument("--workers", type=int, default=None, help="default: one per core")
    parser.add_argument("--report", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    chosen = [t for t in trials() if t.backbone in (arguments.backbone or GRID)]
    if not arguments.report:
        runs = [run_of(trial, arguments.store) for trial in chosen]
        Local(workers=arguments.workers, device="cpu").run(runs)
    # Noise in evaluation is measured once: what the last report holds is not measured again.
    known = json.loads(RESULT.read_text())["trials"] if RESULT.exists() else []
    measured = {Trial(*(r[name] for name in Trial.__annotations__)): r for r in known}
    finished = [t for t in trials() if run_of(t, arguments.store).state == "finished"]
    measured |= {t: row(t, arguments.store) for t in finished if t not in measured}
    rows = [measured[trial] for trial in trials() if trial in measured]
    save(
        "noise_protocol",
        {
            "epochs": {backbone: grid[0] for backbone, grid in GRID.items()},
            "missing": len(list(trials())) - len(rows),
            "trials": rows,
        },
    )
    table = summary(rows)
    publish(markdown(table, gains(rows)))
    print(table.to_string())


if __name__ == "__main__":
    main()
