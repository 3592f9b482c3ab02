"""The files of a finished run: its log, its last weights and a manifest."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from stripe.errors import StripeError
from stripe.files import drafted, sha256
from stripe.train.log import CSV, PARQUET, write_history
from stripe.train.manifest import digests_of, read_manifest, write_manifest
from stripe.train.run import CONFIG, WEIGHTS
from stripe.train.weights import save_weights


def finish_run(folder: Path, model: nn.Module, history: list[dict[str, Any]]) -> None:
    """Write log, manifest and weights. The weights appear last, and mark the run as finished.

    Raises
    ------
    StripeError
        If a file cannot be written.
    """
    write_history(folder, history)
    try:
        with drafted(folder / WEIGHTS) as draft:
            save_weights(draft, model)
            written = digests_of(folder, (CONFIG, CSV, PARQUET))
            # The configuration keeps its first digest, so that later changes of it are detected.
            before = {n: d for n, d in (read_manifest(folder) or {}).items() if n == CONFIG}
            write_manifest(folder, {**written, **before, WEIGHTS: sha256(draft)})
    except (OSError, SafetensorError) as error:
        raise StripeError(
            f"cannot write {folder / WEIGHTS}: {error}; make room, and continue the run with "
            "--resume"
        ) from error
