"""The folders of the splits of a data set, and the check that they are not used as classes."""

from pathlib import Path

from stripe.errors import DataError

#: Possible folder names of each split.
SPLITS = {"train": ("train",), "test": ("val", "test")}


def check_split(split: str) -> None:
    """Raise a `DataError` for a split that no data set has."""
    if split not in SPLITS:
        raise DataError(f"a split is one of {', '.join(SPLITS)}, got {split!r}")


def split_folder(root: Path, split: str) -> Path:
    """Return the folder of a split, or raise a `DataError` that says what must be there."""
    check_split(split)
    for name in SPLITS[split]:
        if (root / name).is_dir():
            return root / name
    raise DataError(
        f"{root} must hold {' or '.join(f'{name}/' for name in SPLITS[split])} with one folder of "
        "images per class; put the data set there, or name another place with --data-root or "
        "--dataset folder:PATH"
    )


def class_names(root: Path) -> list[str]:
    """Return the names of the folders in a folder, or raise an error if they are splits.

    A folder called train is a class, as in data sets of vehicles, if it holds images and there are
    also folders with other names.
    """
    names = sorted(path.name for path in _folders(root))
    splits = [name for name in names if name in {n for some in SPLITS.values() for n in some}]
    nested = [name for name in splits if _folders(root / name)]
    if nested or len(splits) > 1 or (splits and splits == names):
        tested = [name for name in splits if name in SPLITS["test"]]
        whole = f", or folder:{root} to a command, which takes its {tested[0]}/" if tested else ""
        raise DataError(
            f"{root} must hold images or one folder per class, and holds the splits of a data set "
            f"({', '.join(splits)}); give one of them, as {root / [*tested, *splits][0]}{whole}"
        )
    return names


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
