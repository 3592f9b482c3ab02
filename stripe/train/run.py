"""The directory of a run: what it was, and whether it can go on."""

import json
from pathlib import Path
from typing import Any, TypeVar

from stripe.errors import StripeError
from stripe.settings import Settings
from stripe.versions import command_line, library_versions

#: The file of the last weights, which is there once the run is finished.
WEIGHTS = "model.safetensors"

S = TypeVar("S", bound=Settings)


def open_run(config: Settings, *, resume: bool) -> None:
    """Make the directory of a run and write down what it is; or find there what it was.

    Raises
    ------
    StripeError
        If the directory holds something else, or with `resume` a run of other settings.
    """
    file = config.out / "config.json"
    draft = file.with_suffix(".draft")
    if resume and file.exists():
        if differs := config.differences(read_config(file, type(config))):
            raise StripeError(
                f"{config.out} is a run of other settings, in {', '.join(differs)}; resume it with "
                "those that it had, or choose another --out"
            )
        return
    # A draft alone is of a start that was killed.
    there = list(config.out.iterdir()) if config.out.is_dir() else [config.out]
    if config.out.exists() and there not in ([], [draft]):
        hint = "continue it with --resume, or " if file.exists() else ""
        raise StripeError(
            f"{config.out} must be a new or empty directory; {hint}choose another with --out"
        )
    resolved = {**config.to_json(), "command": command_line(), "versions": library_versions()}
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(resolved, indent=1) + "\n")
        draft.replace(file)
    except OSError as error:
        raise StripeError(
            f"cannot write to {config.out}: {error.strerror}; choose another with --out"
        ) from error


def read_config(file: Path, kind: type[S]) -> S:
    """Return the settings that a `config.json` holds."""
    try:
        values: Any = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise StripeError(
            f"{file} is missing or damaged: {error}; give the config.json of a run"
        ) from error
    if not isinstance(values, dict):
        raise StripeError(f"{file} must hold a JSON object, got {values!r}")
    return kind.from_json(values)
