"""What recording every gate of a network costs, against what people do today.

    python -m benchmarks.record

An SE-ResNet164 runs over the same images in turns: bare; with forward hooks whose lists are kept
and saved with `torch.save`; with one row per value in a pandas frame, written as Parquet; and with
`stripe.Recorder`, with and without the pooled inputs. Then a network with wide gates streams a
gigabyte, to see whether memory grows. Gates of an untrained network hardly differ and compress too
well, so the weights of its attention are drawn wide.
"""

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Callable
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
    parser.add_argument("--ours", action="store_true", help="leave out torch.save and the frame")
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
    epochs = iter(range(10**6))
    ways: dict[str, Callable[[], object]] = {
        "bare": lambda: bare(model, batches, root),
        "bare again": lambda: bare(model, batches, root),
        "stripe": lambda: ours(plain, batches, next(epochs)),
        "stripe, inputs too": lambda: ours(pooled, batches, next(epochs)),
    }
    if not args.ours:
        ways["torch.save"] = lambda: torch_save(model, gates, batches, folders["torch.save"])
        ways["long frame"] = lambda: long_frame(model, gates, batches, folders["long frame"])
    seconds = interleaved(ways, args.rounds)
    cost = {
        name: statistics.median(
            own / least for own, least in zip(times, seconds["bare"], strict=True)
        )
        for name, times in seconds.items()
    }
    values = images * sum(gate.channels for gate in plain.gates)
    epochs_written = len(seconds["bare"]) + 1
    stored = {"stripe": size_of(root / "ours" / "data") / epochs_written}
    stored |= {name: size_of(folder) for name, folder in folders.items() if name in ways}
    plain.close()
    pooled.close()
    stream = streamed(root, args.stream) if args.stream else {}
    shutil.rmtree(root)
    result = {
        "what": f"SE-{args.backbone}, {len(gates)} gates, {images} images of 32 x 32",
        "batch_size": args.batch_size,
        "rounds": args.rounds,
        "images_per_s": median_rates(seconds, images),
        "times_bare": cost,
        "bytes_per_value": {name: size / values for name, size in stored.items()},
        "of_raw_float32": {name: size / values / 4 for name, size in stored.items()},
        **stream,
    }
    save("record", result, args.device)


if __name__ == "__main__":
    main()
