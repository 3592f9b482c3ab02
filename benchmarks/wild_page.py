"""The page "Stripes in the wild": tables and pictures of what `benchmarks.wild` measured."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from benchmarks import wild_images as draw
from stripe import plots
from stripe.plots.series import series_styles

TEXT = """# Stripes in the wild

`python -m benchmarks.wild` (extra `wild`) audits six trained networks that other projects publish
as ONNX files. Their gates are squeeze-and-excitation modules. Their weights are not part of this
project. The numbers are in
[`benchmarks/results/wild.json`](../benchmarks/results/wild.json).

## The images, and their limits

The images are lines of text ({fonts} fonts that matplotlib includes, English words), pages of such
lines, and text on photographs of scikit-image and scikit-learn. Each image is blurred, disturbed by
noise, and compressed as JPEG. Means are computed on one half of {images} images, and agreement is
measured on the other half. The images were drawn once, on one machine.

Rendered text varies less than scans, and is easier to read. The recognisers also read Chinese, but
the images contain no Chinese text. A gate that is constant here need not be constant for other
images.

![examples of the images](wild_images.png)

## Is the gate a constant?

`eta2` is the share of a gate's variance that lies between channels (1: a perfect stripe). `input`
is a control: the `eta2` of the pooled features that the gate multiplies. `spread` is the root mean
square deviation over images, relative to the mean of the gate. Each cell gives the median over the
gates of a network (and the range).

{constant}

![eta2 and spread by depth](wild.png)

## The cost of freezing

All gates are replaced by their means. Agreement compares the predictions of the frozen network with
those of the original. For labels and strings, it is the share of images with the same prediction
(Wilson's 95 % interval). For masks, it is the mean intersection over union at a threshold of 0.3
(95 % bootstrap interval over images). As a control, "one number per gate" replaces each gate by one
number for all channels. "Right" is the share of images that are read correctly, first by the
original and then by the frozen network. The last column is the number of gates that can be frozen,
in order of increasing cost, while agreement is at least 99 %.

{cost}

With all gates frozen, {whole} of {networks} networks keep 99 % of their predictions.

[Predict the cost of freezing a gate](sensitivity.md#networks-that-others-trained) compares the
exact cost of each of these gates with its estimate.

## The savings

A folded gate needs no operation. The error is the largest difference between the outputs of the
folded graph and of the graph with constants, relative to the largest value (absolute for
probabilities). "Time gone" is the share of time that onnxruntime saves on one CPU thread: the
median (and quartiles) over {rounds} rounds, each of which runs both graphs.

{saves}

{times}
"""

#: Said of times that were measured with the rest, and of those of an earlier run.
_TIMES = """\
The milliseconds were measured while the machine did other work. The saved share compares pairs of
measurements in one round."""
_EARLIER = """\
The times are from an earlier run of the same files. The saved share compares pairs of measurements
in one round."""


def write_page(found: list[dict[str, Any]], folder: Path, *, kept_times: bool = False) -> None:
    """Write docs/wild.md and its two pictures."""
    _picture(found).savefig(folder / "wild.png", dpi=110)
    _examples().savefig(folder / "wild_images.png", dpi=90)
    plt.close("all")
    rounds = found[0]["rounds"]
    text = TEXT.format(
        times=_EARLIER if kept_times else _TIMES,
        whole=sum(one["agreement"][0] >= 0.99 for one in found), networks=len(found),
        fonts=len(draw.FONTS), images=2 * found[0]["n"], rounds=rounds,
        constant=_table(["network", "gates", "eta2", "input", "spread"], map(_constant, found)),
        cost=_table(
            ["network", "of", "n", "agreement", "one number per gate", "right", "freeze at 99 %"],
            map(_cost, found)),
        saves=_table(
            ["network", "frozen", "folded", "error", "time gone", "ms", "MB"], map(_saved, found)),
    )  # fmt: skip
    (folder / "wild.md").write_text(text)


def _constant(one: dict[str, Any]) -> list[str]:
    columns = ((g["eta2"] for g in one["gates"]), (g["input_eta2"] for g in one["gates"]))
    spread = [100 * g["relative_spread"] for g in one["gates"]]
    return [one["network"], str(len(one["gates"])), *map(_range, map(list, columns)),
            _range(spread, "{:.1f}") + " %"]  # fmt: skip


def _cost(one: dict[str, Any]) -> list[str]:
    right = one["right"]
    said = (
        ""
        if right["gates"] is None
        else f"{_percent(right['gates'])} → {_percent(right['frozen'])}"
    )
    return [
        one["network"], one["agreement_of"], str(one["n"]), _with_interval(one["agreement"]),
        _with_interval(one["agreement_of_one_number_per_gate"]), said,
        f"{one['recommended']} of {len(one['gates'])}",
    ]  # fmt: skip


def _saved(one: dict[str, Any]) -> list[str]:
    low, middle, high = (100 * share for share in one["share_of_time"])
    before, after = one["milliseconds"]["gates"], one["milliseconds"]["frozen"]
    sizes = [size / 1e6 for size in one["bytes"]]
    return [
        one["network"], str(one["frozen"]), str(one["folded"]), f"{one['fold_error']:.0e}",
        f"{middle:.1f} % ({low:.1f} to {high:.1f})", f"{before:.1f} → {after:.1f}",
        f"{sizes[0]:.2f} → {sizes[1]:.2f}",
    ]  # fmt: skip


def _picture(found: list[dict[str, Any]]) -> Any:
    with plots.paper_style():
        figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
        for one, series in zip(found, series_styles(len(found)), strict=True):
            depth = [n / max(len(one["gates"]) - 1, 1) for n in range(len(one["gates"]))]
            style = {"ms": 4, "lw": 1, "label": one["network"], **series}
            axes[0].plot(depth, [g["eta2"] for g in one["gates"]], **style)
            axes[1].plot(depth, [100 * g["relative_spread"] for g in one["gates"]], **style)
        for ax, name in zip(
            axes, ("eta2 (1: a perfect stripe)", "spread over images (%)"), strict=True
        ):
            ax.set(xlabel="depth (first to last gate)", ylabel=name)
        axes[0].set_ylim(0, 1.02)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=7)
    return figure


def _examples() -> Any:
    figure, axes = plt.subplots(2, 4, figsize=(8, 3.4), layout="constrained")
    shown = [*draw.lines(2, 0)[0], *draw.turned_lines(2, 0)[0], *draw.pages(2, 0),
             *draw.turned_pages(2, 0)[0]]  # fmt: skip
    for ax, image in zip(axes.ravel(), shown, strict=True):
        ax.imshow(image)
        ax.axis("off")
    return figure


def _table(head: list[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _range(values: list[float], form: str = "{:.3f}") -> str:
    ordered = sorted(values)
    count = len(ordered)
    middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    return f"{form.format(middle)} ({form.format(ordered[0])} to {form.format(ordered[-1])})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _with_interval(value: list[float]) -> str:
    return f"{_percent(value[0])} ({100 * value[1]:.1f} to {100 * value[2]:.1f})"
