"""Exhibits from the text of the paper: constants, Table 8 by depth, Theorem 6.1."""

from collections.abc import Callable

from stripe.reproduce.kinds import Accuracy, ConstantsAtInference, NoiseGrowth
from stripe.reproduce.paper.cells import Cell
from stripe.reproduce.paper.exhibits import Contrast, Exhibit, exceeds
from stripe.reproduce.paper.results import CONSTANTS_LOSS, paper_results
from stripe.reproduce.paper.tables import CLEAN, noise_table

#: The metric of the loss in each row of `constants_at_inference`.
_LOSSES = {"constants": "loss", "fine-tuned": "loss_fine_tuned"}


def _constants() -> Exhibit:
    """Return Section 6 (1), for the networks of Table 3 with the attention modules of its ASRs."""
    rows = paper_results()
    rows = rows[(rows["table"] == 3) & rows["method"].str.startswith("ASR(")]
    words = zip(rows["dataset"], rows["backbone"], rows["method"], strict=True)
    cells = tuple(
        Cell(dataset, backbone, method.removeprefix("ASR(").removesuffix(")"), "")
        for dataset, backbone, method in words
    )
    share = {cell: 1 / len(cells) for cell in cells}
    averages = tuple(
        Contrast(f"mean {metric} over networks", share, metric, paper=paper, average=True)
        for metric, paper in ((_LOSSES[name], loss) for name, loss in CONSTANTS_LOSS.items())
    )
    return Exhibit(
        "constants",
        "Gates replaced by their means at inference (Section 6 (1))",
        "Constants in the place of attention cost accuracy, 28 % on average, and still 15 % after "
        "fine-tuning.",
        ConstantsAtInference(),
        cells,
        (*averages, *(exceeds(cell, metric, 0.0) for cell in cells for metric in _LOSSES.values())),
        "The paper does not say how long it fine-tuned, at which rate, or whether its percentages "
        "are points of accuracy; here they are compared with points.",
    )


def _deep_noise() -> Exhibit:
    """Return a part of Table 8, for the deep network of scales that use another one for Table 8."""
    table = noise_table()
    cells = tuple(
        cell
        for cell in table.cells
        if cell.method in ("base", "ASR(SE)") and cell.setting in (CLEAN, _LARGEST_LOSS)
    )
    return Exhibit(
        "deep-noise",
        "Constant noise in the deep network of Table 8",
        table.claim,
        Accuracy(deep=True),
        cells,
        tuple(one for one in table.contrasts if set(one.weights) <= set(cells)),
    )


def _theorem() -> Exhibit:
    """Return Theorem 6.1, for the networks of Table 3 that are also in Table 8."""
    bare = Cell("cifar100", "resnet164", "base", "")
    cells = (bare, *(bare.but(method=f"ASR({name})") for name in ("SE", "IE", "SRM")))
    contrasts = tuple(
        Contrast(f"{metric} of bare - {cell.method}", {bare: 1.0, cell: -1.0}, metric)
        for metric in ("bound", "growth")
        for cell in cells[1:]
    )
    return Exhibit(
        "theorem",
        "Growth of noise through the network (Theorem 6.1)",
        "Gates between 0 and 1 lower the bound of how noise grows from block to block.",
        NoiseGrowth(),
        cells,
        contrasts,
        "The theorem has no numbers in the paper. Its bound is about the largest growth that the "
        "weights allow, and loose; the measured growth is of random perturbations of length 0.001.",
    )


#: The constant noise with the largest loss of the paper's bare network, 39 points.
_LARGEST_LOSS = "constant(0.5,0.5)"

#: The functions that make the exhibits, by name.
IN_TEXT: dict[str, Callable[[], Exhibit]] = {
    "constants": _constants,
    "deep-noise": _deep_noise,
    "theorem": _theorem,
}
