"""`stripe train` and `stripe constants`."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from stripe.cli.app import Json, app, print_json, print_table
from stripe.cli.interrupted import after_training, interruptible
from stripe.cli.options.groups import ATTENTION, COMPUTATION, IMAGES, OPTIMISATION
from stripe.cli.options.ranges import Count
from stripe.cli.options.settings import given_of, options_of
from stripe.errors import StripeError
from stripe.registry import counted
from stripe.train.config import TrainConfig

if TYPE_CHECKING:
    from stripe.train import TrainResult


_GROUPS = {
    ATTENTION: ("copies", "psi", "asr_init", "noise"),
    IMAGES: ("image_size", "limit", "skip_broken", "padding", "data_root", "download", "workers"),
    OPTIMISATION: (
        *("batch_size", "accumulate", "optimizer", "lr", "momentum", "nesterov", "weight_decay"),
        *("schedule", "decay_at", "gamma", "warmup", "label_smoothing"),
    ),
    COMPUTATION: ("precision", "compile", "sync_bn", "device"),
}
_Overrides: Any = options_of(TrainConfig, _GROUPS)


@app.command
def train(
    *,
    overrides: _Overrides = _Overrides(),  # noqa: B008  # frozen
    recipe: str | None = None,
    config: Path | None = None,
    resume: Annotated[bool, Parameter(negative=())] = False,
    json: Json = False,
) -> None:
    """Train a network with the settings of a recipe of the paper, of a file, or of options.

    An option replaces a value of the recipe or of the file; "none" clears the value. A resumed run
    keeps its settings, except for settings that do not affect results, such as --device and
    --data-root. To use several GPUs or machines, run torchrun --nproc-per-node N -m stripe train.

    Parameters
    ----------
    recipe
        Name of a recipe of the paper, such as cifar100/resnet164 or imagenet/vit_b_16. The error
        for an unknown name lists all names.
    config
        File of settings: the config.json of a run, or a file in the same format.
    resume
        Continue from the last checkpoint in --out, if there is one. A finished run is left
        unchanged.
    """
    from stripe.backbones.own import check_trusted

    given = given_of(overrides)
    out = given.get("out", TrainConfig.out)
    if resume and not (recipe or config or set(given) - {"out"} or (out / "config.json").exists()):
        raise StripeError(f"{out} holds no run to resume; give its directory with --out")
    _needs_initial(recipe, given)
    base = _base(recipe, config, out if resume else None)
    if "backbone" not in given:
        check_trusted(base.backbone, config or out)
    chosen = replace(base, **given)
    if chosen.asr is None and (unused := [n for n in ("psi", "copies", "asr_init") if n in given]):
        raise StripeError(f"--{unused[0].replace('_', '-')} is of an ASR; give --asr too")
    main = os.environ.get("RANK", "0") == "0"
    if main:
        print(
            f"{chosen.network}{f', noise {chosen.noise}' if chosen.noise else ''}, "
            f"on {chosen.dataset}: {counted(chosen.epochs, 'epoch')}, in {chosen.out}",
            file=sys.stderr,
        )
    with interruptible(lambda: after_training(chosen), told=main):
        result = _run(chosen, resume, main)
    if main:
        _print_result(result, chosen, json)


@app.command
def constants(
    run: Path,
    *,
    out: Path,
    epochs: Count = 2,
    lr: float | None = None,
    device: str = "auto",
    json: Json = False,
) -> None:
    """Replace the gates of a trained network by their means, then test and fine-tune it.

    accuracy is the share of test images that are classified correctly. loss is the accuracy lost,
    in percentage points. paper_loss is the loss that the paper reports (Section 6).

    Parameters
    ----------
    run
        Directory of a finished training run with attention.
    out
        New or empty directory for gates and fine-tuning.
    epochs
        Number of epochs of fine-tuning.
    lr
        Learning rate of fine-tuning. Default: a hundredth of the learning rate of the run.
    device
        Device: auto, cpu, cuda or cuda:N.
    """
    from stripe.audit.fine_tuned import constants_at_inference
    from stripe.reproduce.paper.results import CONSTANTS_LOSS

    table = constants_at_inference(run, out, epochs=epochs, lr=lr, device=device)
    table["paper_loss"] = table["network"].map(CONSTANTS_LOSS)
    print_table(table, json)


def _needs_initial(recipe: str | None, given: dict[str, Any]) -> None:
    """Refuse a recipe for fine-tuning without --initial. The value "none" is accepted."""
    from stripe.train.recipes import BEGINS_WITH

    if recipe in BEGINS_WITH and "initial" not in given:
        raise StripeError(
            f"{recipe} fine-tunes; give --initial, a run of {BEGINS_WITH[recipe]} or a file of its "
            "weights, or --initial none"
        )


def _base(recipe: str | None, config: Path | None, resumed: Path | None) -> TrainConfig:
    """Return the settings that single options replace."""
    from stripe.train import recipe as recipe_of
    from stripe.train.run import read_config

    if recipe is not None and config is not None:
        raise StripeError("--recipe and --config cannot be combined; give one of them")
    if recipe is not None:
        return recipe_of(recipe)
    if config is not None:
        return replace(read_config(config, TrainConfig), out=TrainConfig.out)
    if resumed is not None and (resumed / "config.json").exists():
        return read_config(resumed / "config.json", TrainConfig)
    return TrainConfig()


def _run(config: TrainConfig, resume: bool, main: bool) -> "TrainResult":
    from stripe.train import train as run
    from stripe.train.run import WEIGHTS

    if main and resume and (config.out / WEIGHTS).exists():
        print(f"{config.out} is finished already; nothing is done", file=sys.stderr)
    return run(config, resume=resume)


def _print_result(result: "TrainResult", config: TrainConfig, json: bool) -> None:
    if json:
        accuracy = {"best": result.best, "last": result.last, "last_ten_mean": result.last_ten}
        epochs = len(result.history)
        return print_json({"run": str(config.out), "epochs": epochs, "test_accuracy": accuracy})
    print(result.history.tail(10).to_string(index=False, float_format="%.4g"))
    several = ""
    if (epochs := min(10, len(result.history))) > 1:
        several = (
            f", best {result.best:.4f} (which flatters), mean of the last {epochs} epochs "
            f"{result.last_ten:.4f}"
        )
    return print(f"\ntest accuracy  last {result.last:.4f}{several}\nrun            {config.out}")
