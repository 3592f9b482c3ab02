"""Commands for style transfer under batch noise."""

from dataclasses import replace
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from stripe.cli.app import Json, RandomSeed, app, print_json
from stripe.cli.interrupted import interruptible
from stripe.cli.options.groups import COMPUTATION, OPTIMISATION
from stripe.cli.options.ranges import Count
from stripe.cli.options.settings import given_of, options_of
from stripe.errors import DataError, StripeError
from stripe.style.config import StyleConfig

if TYPE_CHECKING:
    from stripe.style import Comparison

style_app = App(
    name="style",
    help="Train and compare style networks under batch noise (Figures 5, 19 to 21).",
)
app.command(style_app)

_GROUPS = {
    OPTIMISATION: (*("batch_size", "lr", "content_weight", "style_weight", "variation_weight"),),
    COMPUTATION: ("precision", "device", "workers"),
}
_Options: Any = options_of(StyleConfig, _GROUPS)
_Shared: Any = options_of(StyleConfig, _GROUPS, without=("variant", "out"))
Resume = Annotated[bool, Parameter(negative=(), help="Continue the run in --out.")]
Draws = Annotated[
    Count,
    Parameter(
        help="Number of random draws of the other images of a batch, for each photograph and batch "
        "size."
    ),
]


@style_app.command
def train(*, options: _Options = _Options(), resume: Resume = False) -> None:  # noqa: B008
    """Train one style network, with instance norm, batch norm, or batch norm and ASR.

    A resumed run keeps its settings.
    """
    from stripe.style import train_style

    given = given_of(options)
    out = given.get("out", StyleConfig.out)
    if resume and set(given) <= {"out"} and not (out / "config.json").exists():
        raise StripeError(f"{out} holds no run to resume; give its directory with --out")
    config = replace(_base(out, resume), **given)
    with interruptible(lambda: f"go on with: stripe style train --resume --out {out}"):
        run = train_style(config, resume=resume)
    print(run.history.tail(5).to_string(index=False, float_format="%.4g"))
    print(f"\nrun  {out}, pictures in {out / 'samples'}")
    print(f"use  stripe style apply {out} PHOTOGRAPH ... --out FOLDER")


@style_app.command
def apply(run: Path, *images: Path, out: Path, device: str = "auto") -> None:
    """Stylise image files, and the images in folders, at their original size.

    Parameters
    ----------
    run
        Directory of a finished run. Its ASR is folded before use.
    images
        Image files, or folders of image files.
    out
        Folder for the results, as PNG files with the same names. Existing files are kept.
    device
        Device: auto, cpu, cuda or cuda:N.
    """
    from tqdm.auto import tqdm

    from stripe.style import open_style, stylise
    from stripe.style.drawing import write_picture
    from stripe.style.features import describe_features
    from stripe.style.photographs import Photographs, as_image

    targets: dict[Path, Path] = {}
    for path in images:
        if not path.exists():
            raise DataError(f"{path} does not exist")
        files = Photographs(path).files if path.is_dir() else [path]
        for file in files:
            name = file.relative_to(path) if path.is_dir() else Path(file.name)
            target = out / name.with_suffix(".png")
            if target in targets:
                raise StripeError(f"{targets[target]} and {file} would both be {target}")
            targets[target] = file
    if not targets:
        raise StripeError("apply needs image files or folders of them, got none")
    waiting = {target: file for target, file in targets.items() if not target.exists()}
    trained = open_style(run, device=device)
    network, config = trained.folded(), trained.config
    features = describe_features(config.features, seed=config.seed)
    with interruptible(lambda: "go on with the same command"):
        for target, file in tqdm(waiting.items(), desc="style", unit=" images"):
            (stylised,) = stylise(network, [as_image(file)])
            write_picture(stylised, target, config.variant, features)
    print(f"{len(waiting)} images in {out}")
    if left := len(targets) - len(waiting):
        print(f"{left} were there already, and are left as they were")


@style_app.command
def compare(
    *runs: Path,
    options: _Shared = _Shared(),  # noqa: B008  # frozen
    out: Path,
    photographs: Count = 3,
    images: Path | None = None,
    draws: Draws = 4,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Train the three style networks, or use finished runs, and compare their stylised photographs.

    Parameters
    ----------
    runs
        Directories of finished runs, one per variant. Default: train all three variants.
    out
        New directory for the runs, pictures and tables. With --resume, the directory of an
        interrupted comparison.
    photographs
        Number of photographs to stylise and compare.
    images
        Folder of photographs to stylise. Default: the photographs that were used in training.
    """
    from stripe.style import compare as compare_runs
    from stripe.style import open_style

    given = given_of(options)
    chosen: dict[str, Any] = {"photographs": photographs, "folder": images, "draws": draws}
    if not runs:
        config = replace(_base(out / "in", resume), **given)
        return _train_and_compare(config, out, chosen, resume=resume, json=json)
    device = given.pop("device", "auto")
    if given or resume:
        names = ", ".join(given) or "resume"
        raise StripeError(f"runs are compared as they were trained; leave {names} out")
    if (out / "grid.png").exists():
        raise StripeError(f"{out} holds a comparison already; choose another with --out")
    opened = [open_style(run, device=device) for run in runs]
    by_variant = {str(run.config.variant): run for run in opened}
    if len(by_variant) < len(opened):
        names = ", ".join(run.config.variant for run in opened)
        raise StripeError(f"each run must be of another variant, got {names}")
    found = compare_runs(by_variant, seed=opened[0].config.seed, **chosen)
    return _print_result(found, out, json)


@style_app.command
def demo(
    *,
    out: Path = Path("runs/style-demo"),
    steps: Count = 250,
    seed: RandomSeed = 0,
    device: str = "auto",
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Compare style networks on the photographs of scikit-image and scikit-learn.

    The features for comparing images are those of a VGG16 with random weights.

    Parameters
    ----------
    out
        New directory for runs, pictures and tables.
    steps
        Number of training steps of each of the three networks.
    device
        Device: auto, cpu, cuda or cuda:N.
    """
    config = StyleConfig(
        features="random:16",
        size=128,
        width=16,
        steps=steps,
        style_weight=2.0,
        variation_weight=0.2,
        workers=0,
        seed=seed,
        device=device,
    )
    _train_and_compare(config, out, {}, resume=resume, json=json)


def _train_and_compare(
    config: StyleConfig, out: Path, options: dict[str, Any], *, resume: bool, json: bool
) -> None:
    from stripe.style import train_and_compare

    with interruptible(lambda: f"go on with the same command and --resume --out {out}"):
        found = train_and_compare(config, out, resume=resume, **options)
    _print_result(found, out, json)


def _print_result(found: "Comparison", out: Path, json: bool) -> None:
    from stripe.style import draw_comparison

    files = draw_comparison(found, out)
    if json:
        tables = {
            name: loads(getattr(found, name).to_json(orient="records"))  # without NaN
            for name in ("numbers", "by_batch_size")
        }
        print_json({**tables, "files": [str(file) for file in files]})
        return
    print("\nThe mean over photographs (ssim and high_frequency against instance norm)\n")
    means = found.numbers.drop(columns="photograph").groupby("variant", sort=False).mean()
    print(means.to_string(float_format="%.4f"))
    print("\nSpread of an image over batch mates, by batch size\n")
    by_batch_size = found.by_batch_size.pivot(
        index="variant", columns="batch_size", values="spread"
    )
    print(by_batch_size.loc[means.index].to_string(float_format="%.4f"))
    print(f"\nwritten  {', '.join(str(file) for file in files)}")


def _base(run: Path, resume: bool) -> StyleConfig:
    """Return the settings that options replace: those of a resumed run, or the defaults."""
    from stripe.train.run import read_config

    file = run / "config.json"
    settings = read_config(file, StyleConfig) if resume and file.exists() else StyleConfig()
    return replace(settings, out=run)
