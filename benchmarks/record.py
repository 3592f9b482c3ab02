"""What recording every gate of a network costs, against what people do today.

    python -m benchmarks.record

`stripe.Recorder` records an SE-ResNet164, with and without the pooled inputs. Before each batch, a
copy of the network without hooks runs over the same images: the speed of a busy machine changes
within seconds, and so it changes for both. What an epoch takes besides its batches is measured
apart. With `--others`, the network runs in turns: bare; with forward hooks whose lists are kept and
saved with `torch.save`; with one row per value in a pandas frame, written as Parquet; and with
`stripe.Recorder`. Then a network with wide gates streams a gigabyte, to see whether memory grows.
Gates of an untrained network hardly differ and compress too well, so the weights of its attention
are drawn wide.
"""

import argparse
import copy
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

import stripe
from benchmarks.common import interleaved, median_rates, resident, save
from stripe.attention import ATTENTIONS
from stripe.memory import keep_freed_memory
from stripe.modules.timing import seconds_of
from stripe.modules.unwrap import modules_by_name


def bare(model: nn.Module, batches: list[Tensor], path: Path) -> None:
    """Run the model and keep nothing."""
    with torch.no_grad():
        for images in batches:
            model(images)


def torch_save(model: nn.Module, gates: list[str], batches: list[Tensor], path: Path) -> None:
    """Append every gate to a list in a hook, and save the lists at the end."""
    with_lists(model, gates, batches, lambda kept: torch.save(kept, path / "gates.pt"))


def long_frame(model: nn.Module, gates: list[str], batches: list[Tensor], path: Path) -> None:
    """Make a row (image, gate, channel, value) of every value, as tidy data asks for."""

    def write(kept: dict[str, list[Tensor]]) -> None:
        frames = []
        for name, parts in kept.items():
            values = torch.cat(parts).numpy()
            images, channels = values.shape
            frames.append(
                pd.DataFrame({
                    "image": np.repeat(np.arange(images), channels),
                    "gate": name,
                    "channel": np.tile(np.arange(channels), images),
                    "value": values.reshape(-1),
                })
            )  # fmt: skip
        pd.concat(frames).to_parquet(path / "gates.parquet")

    with_lists(model, gates, batches, write)


def with_lists(
    model: nn.Module,
    gates: list[str],
    batches: list[Tensor],
    finish: Callable[[dict[str, list[Tensor]]], None],
) -> None:
    """Run the model with a hook per gate that appends to a list."""
    kept: dict[str, list[Tensor]] = {name: [] for name in gates}
    modules = modules_by_name(model)

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, args, output: kept[name].append(output.flatten(1).cpu().clone())

    handles = [modules[name].register_forward_hook(keep(name)) for name in gates]
    bare(model, batches, Path())
    for handle in handles:
        handle.remove()
    finish(kept)


def ours(recorder: stripe.Recorder, batches: list[Tensor], epoch: int) -> None:
    """Record one epoch."""
    recorder.record(batches, epoch, progress=False)


#: Batches whose times are summed: rows are written once in about so many of them.
_GROUP = 8


def beside(recorder: stripe.Recorder, twin: nn.Module, batches: list[Tensor]) -> dict[str, Any]:
    """Record an epoch, and run a copy of the network without hooks before each batch.

    Returns
    -------
    dict
        The median of recording over bare, over groups of batches; the range of its middle half; and
        the seconds of an epoch besides its batches.
    """
    bare_seconds, own_seconds = [], []

    def loader() -> Iterator[Tensor]:
        for images in batches:
            bare_seconds.append(seconds_of(lambda: bare(twin, [images], Path())))  # noqa: B023
            started = time.perf_counter()
            yield images
            own_seconds.append(time.perf_counter() - started)

    recorder.record(batches[:2], 0, progress=False)  # which proves the rows of the first batches
    whole = seconds_of(lambda: recorder.record(loader(), 1, progress=False))
    rest = whole - sum(bare_seconds) - sum(own_seconds)
    return {**_in_groups(own_seconds, bare_seconds), "seconds_of_epoch": rest}


def bare_beside(model: nn.Module, twin: nn.Module, batches: list[Tensor]) -> dict[str, Any]:
    """Run two networks without hooks in turns, as `beside` does."""
    pairs = [
        [seconds_of(lambda: bare(one, [images], Path())) for one in (twin, model)]  # noqa: B023
        for images in batches
    ]
    first, second = zip(*pairs, strict=True)
    return _in_groups(second, first)


def _in_groups(own: Sequence[float], least: Sequence[float]) -> dict[str, Any]:
    groups = [slice(start, start + _GROUP) for start in range(0, len(least), _GROUP)]
    ratios = [sum(own[group]) / sum(least[group]) for group in groups]
    low, median, high = np.percentile(ratios, [25, 50, 75]).tolist()
    return {"times_bare": median, "middle_half": [low, high], "groups": len(ratios)}


def make_lively(model: nn.Module, images: Tensor) -> None:
    """Let gates spread over (0, 1), as in a trained network, where they compress least."""
    for name, parameter in model.named_parameters():
        if ".gate." in name and parameter.ndim > 1:
            nn.init.normal_(parameter, std=2 * parameter[0].numel() ** -0.5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # take the statistics of this batch
    with torch.no_grad():
        model.train()(images)
    model.eval()


def size_of(path: Path) -> int:
    """Return the bytes of all files under a directory."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def streamed(path: Path, megabytes: int) -> dict[str, float]:
    """Record wide gates over many small images, and return how resident memory grew."""
    channels, batch = 4096, 64
    model = nn.Sequential(
        nn.Conv2d(3, channels, 1),
        *(stripe.Gated(nn.Identity(), ATTENTIONS["ie"](channels)) for _ in range(4)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    ).eval()
    per_batch = batch * channels * 4 * 4 / 2**20
    images = torch.randn(batch, 3, 2, 2)
    sizes: list[float] = []

    def batches(count: int) -> Any:
        for _ in range(count):
            sizes.append(resident())
            yield images

    with stripe.Recorder(model, path / "stream", images, inputs=False) as recorder:
        recorder.record(batches(40), 0, progress=False)  # until every buffer is warm
        sizes.clear()
        recorder.record(batches(int(megabytes / per_batch)), 1, progress=False)
    return {"streamed_mib": megabytes, "rss_growth_mib": max(sizes) - sizes[0]}


def options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="resnet164")
    parser.add_argument("--batches", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stream", type=int, default=1024, help="MiB to stream; 0 for none")
    parser.add_argument("--others", action="store_true", help="also torch.save and a frame")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def main() -> None:
    """Measure, and write benchmarks/results/record.json."""
    args = options()
    keep_freed_memory()
    torch.manual_seed(0)
    model = stripe.build(args.backbone, attention="se", num_classes=100).eval().to(args.device)
    shape = (args.batch_size, 3, 32, 32)
    batches = [torch.randn(shape).to(args.device) for _ in range(args.batches)]
    make_lively(model, batches[0])
    gates = [gate.name for gate in stripe.find_gates(model, batches[0])]
    images = args.batches * args.batch_size
    root = Path(tempfile.mkdtemp(prefix="record-"))
    folders = {name: root / name for name in ("torch.save", "long frame")}
    for folder in folders.values():
        folder.mkdir()
    plain = stripe.Recorder(model, root / "ours", batches[0], inputs=False)
    pooled = stripe.Recorder(model, root / "pooled", batches[0])
    twin = copy.deepcopy(model)
    result: dict[str, Any] = {
        "what": f"SE-{args.backbone}, {len(gates)} gates, {images} images of 32 x 32",
        "batch_size": args.batch_size,
        "batch_by_batch": {
            "bare": bare_beside(model, twin, batches),
            "stripe": beside(plain, twin, batches),
            "stripe, inputs too": beside(pooled, twin, batches),
        },
    }
    values = images * sum(gate.channels for gate in plain.gates)
    recorded = stripe.open_recording(root / "ours")
    stored = {"stripe": size_of(recorded.path / "data" / "epoch=1")}
    if args.others:
        epochs = iter(range(2, 10**6))
        ways: dict[str, Callable[[], object]] = {
            "bare": lambda: bare(model, batches, root),
            "bare again": lambda: bare(model, batches, root),
            "stripe": lambda: ours(plain, batches, next(epochs)),
            "stripe, inputs too": lambda: ours(pooled, batches, next(epochs)),
            "torch.save": lambda: torch_save(model, gates, batches, folders["torch.save"]),
            "long frame": lambda: long_frame(model, gates, batches, folders["long frame"]),
        }
        seconds = interleaved(ways, args.rounds)
        pairs = {name: zip(own, seconds["bare"], strict=True) for name, own in seconds.items()}
        result |= {
            "rounds": args.rounds,
            "images_per_s": median_rates(seconds, images),
            "times_bare": {n: statistics.median(o / b for o, b in p) for n, p in pairs.items()},
        }
        stored |= {name: size_of(folder) for name, folder in folders.items()}
    plain.close()
    pooled.close()
    result |= {
        "bytes_per_value": {name: size / values for name, size in stored.items()},
        "of_raw_float32": {name: size / values / 4 for name, size in stored.items()},
        **(streamed(root, args.stream) if args.stream else {}),
    }
    shutil.rmtree(root)
    save("record", result, args.device)


if __name__ == "__main__":
    main()
