"""Average Grad-CAM over many images: ours, the grad-cam library's maps, and the bare passes.

    python -m benchmarks.gradcam

For each network the same images run in turns: a bare forward pass with a backward pass to the
layer and no further (what any Grad-CAM must do at least); `stripe.mean_cam`; and the library's
GradCAM with its maps averaged. Medians over rounds of the ratios within a round count. Then memory,
while a thousand batches pass.
"""

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn

import stripe
from benchmarks.common import interleaved, median_rates, resident, save
from stripe.modules import undisturbed


def bare(model: nn.Module, layer: str, batches: list[Tensor]) -> None:
    """Run each batch forward, and backward to the layer."""
    leaves: list[Tensor] = []

    def cut(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        torch.set_grad_enabled(True)
        leaves.append(output.detach().requires_grad_())
        return leaves[-1].clone()

    handle = model.get_submodule(layer).register_forward_hook(cut)
    for images in batches:
        with undisturbed(model):
            scores = model(images)
            torch.autograd.grad(scores.max(1).values.sum(), leaves.pop())
    handle.remove()


def library(model: nn.Module, layer: str, batches: list[Tensor]) -> None:
    """Average the library's maps."""
    total, count = np.zeros(batches[0].shape[-2:]), 0
    with GradCAM(model, [model.get_submodule(layer)]) as cam:
        for images in batches:
            maps = cam(images, None)
            total += maps.sum(0)
            count += len(maps)


def ours(model: nn.Module, layer: str, batches: list[Tensor]) -> None:
    """Average ours."""
    stripe.mean_cam(model, batches, layer, progress=False)


def growth(count: int) -> float:
    """Return by how many MiB memory grows while `count` batches pass."""
    model = stripe.build("resnet20", attention="se", num_classes=10, seed=0).eval()
    images, sizes = torch.randn(8, 3, 32, 32), []

    def batches() -> Any:
        for _ in range(count + 20):
            sizes.append(resident())
            yield images

    stripe.mean_cam(model, batches(), "layer3.1", progress=False)
    return max(sizes[20:]) - sizes[20]


def main() -> None:
    """Measure, and write benchmarks/results/gradcam.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=1000, help="batches; 0 for none")
    args = parser.parse_args()
    cases: dict[str, tuple[nn.Module, str, int, int]] = {
        "SE-ResNet20 at 32": (stripe.build("resnet20", attention="se"), "layer3.1", 32, 1),
        "SE-ResNet83 at 96": (stripe.build("resnet83", attention="se"), "layer3.8", 96, 10),
        "ResNet50 at 224": (stripe.build("tv:resnet50"), "layer4.2", 224, 25),
    }
    found = {}
    for name, (model, layer, side, share) in cases.items():
        model.eval()
        batches = list(torch.randn(args.n_images // share, 3, side, side).split(20))
        ways: dict[str, Callable[[], object]] = {
            "bare": lambda m=model, la=layer, b=batches: bare(m, la, b),  # type: ignore[misc]
            "stripe": lambda m=model, la=layer, b=batches: ours(m, la, b),  # type: ignore[misc]
            "library": lambda m=model, la=layer, b=batches: library(m, la, b),  # type: ignore[misc]
        }
        seconds = interleaved(ways, args.rounds)
        ratios = {
            key: statistics.median(
                a / b for a, b in zip(seconds[key], seconds["bare"], strict=True)
            )
            for key in ("stripe", "library")
        }
        found[name] = {
            "images": args.n_images // share,
            "images_per_s": median_rates(seconds, args.n_images // share),
            "times_bare": ratios,
            "times_faster_than_library": ratios["library"] / ratios["stripe"],
        }
    memory = {"batches": args.memory, "rss_growth_mib": growth(args.memory)} if args.memory else {}
    save("gradcam", {"rounds": args.rounds, "networks": found, "memory": memory})


if __name__ == "__main__":
    main()
