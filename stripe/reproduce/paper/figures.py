"""The paper's figures, each with the kind of `reproduce/kinds/` that measures and draws it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from stripe.reproduce.kinds import AverageCam, GatePictures, SpatialMaps, StylePictures, Tradeoff
from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.paper.exhibits import Contrast, Exhibit, above, exceeds
from stripe.reproduce.paper.results import paper_results

_USUAL = "schedule=steps, weight_decay=1e-4"
_IMAGENET = Cell("imagenet", "resnet50", "SE", "schedule=steps")
#: Appendix F: "we adopt ResNet83-SE as our baseline, CIFAR100 ... weight decay set to 1e-4".
BASELINE = Cell("cifar100", "resnet83", "SE", _USUAL)
_DECAYED = {i: BASELINE.but(setting=f"schedule=steps, weight_decay={i}e-4") for i in (2, 3, 4)}
_COSINE = BASELINE.but(setting="schedule=cosine, weight_decay=1e-4")
_DEEP = BASELINE.but(backbone="resnet164")
STL10 = BASELINE.but(dataset="stl10")


def _observation() -> Exhibit:
    claims = (exceeds(_IMAGENET, "eta2", 0.5), exceeds(_IMAGENET, "settled", 0.5))
    return Exhibit(
        "figure2",
        "The Stripe Observation",
        "Channels differ more than images do, and most gates settle by the first decay of the "
        "learning rate.",
        GatePictures("overview", settles_at=30 / 100),
        (_IMAGENET,),
        claims,
    )


def _settling(name: str, cell: Cell) -> Exhibit:
    """Return one of Figures 11 to 18. More weight decay should settle gates sooner."""
    faster = tuple(above(cell, BASELINE, metric="settled")) if cell in _DECAYED.values() else ()
    more = "; with more weight decay, sooner" if faster else ""
    return Exhibit(
        name,
        f"How gates settle (paper: {cell.label})",
        f"Most gates settle by epoch 30 of 164{more}.",
        GatePictures("epoch_difference", options={"n_images": 4}),
        (cell, BASELINE) if faster else (cell,),
        (exceeds(cell, "settled", 0.5), *faster),
    )


def _striped(name: str, cell: Cell) -> Exhibit:
    """Return one of Figures 22 to 28."""
    return Exhibit(
        name,
        f"Gates of different images (paper: {cell.label})",
        "Channels differ more than images do.",
        GatePictures("stripes", options={"side": "after"}),
        (cell,),
        (exceeds(cell, "eta2", 0.5),),
    )


def _tradeoff() -> Exhibit:
    """Return Figure 3, with the numbers of Tables 1, 3 and 4 for the same networks."""
    bare = Cell("cifar100", "resnet164", "base", "")
    modules = [bare.but(method=name) for name in ("SE", "IE", "SRM", "SPA")]
    folded = [bare.but(method=f"ASR({cell.method})") for cell in modules]
    cells = tuple(_with_paper(cell) for cell in (bare, *modules, *folded))
    return Exhibit(
        "figure3",
        "Accuracy, size and speed",
        "ASR, folded, is faster than the attention module that it learned with.",
        Tradeoff(),
        cells,
        tuple(
            contrast
            for asr, module in zip(folded, modules, strict=True)
            for contrast in above(asr, module, metric="speed")
        ),
    )


def _with_paper(cell: Cell) -> Cell:
    """Return a cell with the numbers of the tables for the same network."""
    rows = paper_results()
    same = rows[(rows["dataset"] == cell.dataset) & (rows["backbone"] == cell.backbone)]
    same = same[(same["method"] == cell.method) & same["setting"].isin(("", "without ASR"))]
    same = same[same["metric"] != "fps"]  # it was measured on another machine
    # The paper's accuracies are those of the best epochs.
    names = same["metric"].replace({"top1": "best"})
    return replace(cell, paper=dict(zip(names, same["value"], strict=True)))


def _looking() -> Exhibit:
    """Return Figure 4. The paper does not give the networks behind SENet and SRMNet on STL10."""
    cells = tuple(
        network.but(method=module)
        for network in (STL10, _IMAGENET)
        for module in ("SE", "SRM")
    )  # fmt: skip
    return Exhibit(
        "figure4",
        "Average Grad-CAM",
        "Networks look at the centre: more than a quarter of the map is in the central quarter.",
        AverageCam(),
        cells,
        tuple(exceeds(cell, "central_share", 0.25) for cell in cells),
    )


def _painting(name: str, photographs: Sequence[int]) -> Exhibit:
    """Return one of Figures 5 and 19 to 21, for photographs by their index."""
    normed, plain, asr = (Cell("photographs", "style", m, "") for m in ("IN", "BN", "BN+ASR"))
    return Exhibit(
        name,
        f"Batch noise in style transfer, {_named(photographs)}",
        "With ASR, batch norm's pictures are closer to instance norm's, and depend less on the "
        "rest of the batch.",
        StylePictures(tuple(photographs)),
        (normed, plain, asr),
        (
            *above(asr, plain, metric="ssim"),
            Contrast("spread of BN - BN+ASR", {plain: 1.0, asr: -1.0}, "spread"),
        ),
    )


def _named(photographs: Sequence[int]) -> str:
    numbers = " and ".join(str(number + 1) for number in photographs)
    return f"photograph{'s' * (len(photographs) > 1)} {numbers}"


def _spatial() -> Exhibit:
    cell = Cell("stl10", "resnet83", "CBAM", "")
    return Exhibit(
        "figure29",
        "Spatial attention",
        "Spatial attention is no stripe: its index is below that of the channel gates.",
        SpatialMaps(),
        (cell,),
        (exceeds(cell, "gate_above_map", 0.0),),
    )


_SETTLING = {
    11: BASELINE, 12: _DEEP, 13: BASELINE.but(method="IE"), 14: STL10, 15: _COSINE,
    16: _DECAYED[2], 17: _DECAYED[3], 18: _DECAYED[4],
}  # fmt: skip
_STRIPED = {
    22: BASELINE, 23: _DEEP, 24: _COSINE, 25: STL10,
    26: _DECAYED[2], 27: _DECAYED[3], 28: _DECAYED[4],
}  # fmt: skip
#: Indices of our photographs by figure. The paper shows other photographs.
_PAINTING = {5: (0, 1), 19: (2, 3), 20: (4, 5), 21: (6,)}


def _numbered(number: int) -> Callable[[], Exhibit]:
    name = f"figure{number}"
    for cells, make in ((_SETTLING, _settling), (_STRIPED, _striped)):
        if number in cells:
            return partial(make, name, cells[number])
    if number in _PAINTING:
        return partial(_painting, name, _PAINTING[number])
    return {2: _observation, 3: _tradeoff, 4: _looking, 29: _spatial}[number]


#: The figures by name. Figures 1 and 6 to 10 are drawings of architectures.
FIGURES = {f"figure{number}": _numbered(number) for number in (2, 3, 4, 5, *range(11, 30))}
