"""The paper's claims, each with the contrasts of exhibits that test it."""

import re
from dataclasses import dataclass

from stripe.reproduce.paper.exhibits import Contrast


@dataclass(frozen=True)
class PaperClaim:
    """One claim of the paper: its test is the mean over contrasts, paired over seeds.

    Parameters
    ----------
    words
        The claim, with the network of the paper if there are several.
    number
        The number that the claim says is above zero, with its unit.
    parts
        Exhibits whose contrasts test the claim; empty if no exhibit tests it.
    contrasts
        Regular expression that matches the whole label of a contrast. Default: any label.
    """

    words: str
    number: str
    parts: tuple[str, ...]
    contrasts: str = ".*"

    def tests(self, contrast: Contrast) -> bool:
        """Return whether a contrast tests the claim."""
        return re.fullmatch(self.contrasts, contrast.label) is not None


_POINTS = "accuracy, points"
_STRIPE = "mean eta2 of gates - 0.5"
_SETTLED = "share of settled values - 0.5"
_LESS = "loss of bare - loss with ASR, points"
_WEIGHT_DECAYS = " (weight decay 2e-4 to 4e-4)"


def _stripe(words: str, *figures: int) -> PaperClaim:
    return PaperClaim(
        f"gates are stripes: {words}", _STRIPE, tuple(f"figure{n}" for n in figures), "eta2 of .*"
    )


def _settling(words: str, *figures: int) -> PaperClaim:
    names = tuple(f"figure{number}" for number in figures)
    return PaperClaim(f"gates settle by the first decay: {words}", _SETTLED, names, "settled of .*")


#: In the order of the paper. Figures that show the same numbers as another are named once.
CLAIMS = (
    _stripe("SE-ResNet50 on ImageNet", 2),
    _stripe("SE-ResNet83", 22),
    _stripe("twice as deep", 23),
    _stripe("cosine schedule", 24),
    _stripe("STL10", 25),
    _stripe(f"more decay{_WEIGHT_DECAYS}", 26, 27, 28),
    _settling("SE-ResNet50 on ImageNet", 2),
    _settling("SE-ResNet83", 11),
    _settling("twice as deep", 12),
    _settling("IE", 13),
    _settling("STL10", 14),
    _settling("cosine schedule", 15),
    _settling(f"more decay{_WEIGHT_DECAYS}", 16, 17, 18),
    PaperClaim(
        "more weight decay settles gates sooner",
        "share of settled values - share at weight decay 1e-4",
        ("figure16", "figure17", "figure18"),
        "(?!settled of).*",
    ),
    PaperClaim("attention slows inference", "speed of bare - with attention", ("table1",)),
    PaperClaim("folded ASR is faster than attention", "difference of speeds", ("figure3",)),
    PaperClaim(
        "ASR beats the bare network: ResNets on ImageNet", _POINTS, ("table2",), ".*resnet.*"
    ),
    PaperClaim("ASR beats the bare network: ViT on ImageNet", _POINTS, ("table2",), ".*vit.*"),
    *(
        PaperClaim(f"ASR beats the bare network: {words}", _POINTS, ("table3",), f".* {name} .*")
        for words, name in (
            ("ResNet164", "resnet164"),
            ("VGG19", "vgg19"),
            ("ShuffleNetV2", "shufflenetv2"),
            ("MobileNet", "mobilenet"),
        )
    ),
    PaperClaim("ASR improves networks with attention", _POINTS, ("table4",)),
    PaperClaim("ASR improves RepVGG", _POINTS, ("table5",), ".*repvgg.*"),
    PaperClaim("ASR improves ACNet", _POINTS, ("table5",), ".*acnet.*"),
    PaperClaim("two ASRs beat one", _POINTS, ("table6",)),
    PaperClaim("a learnable psi beats fixed ones", _POINTS, ("table7",)),
    PaperClaim("psi that begins at 0.1 beats higher starts", _POINTS, ("table13",)),
    PaperClaim(
        "ASR with a module beats psi alone",
        _POINTS,
        ("table9",),
        ".* - ASR without attention module",
    ),
    PaperClaim(
        "ASR resists constant noise, in training and evaluation",
        _LESS,
        ("table8",),
        r".*constant\(.*",
    ),
    PaperClaim("ASR resists constant noise in the deep network", _LESS, ("deep-noise",)),
    PaperClaim("ASR resists random noise, in training", _LESS, ("table8",), r".*random\(.*"),
    PaperClaim(
        "ASR reduces batch noise: pictures closer to instance norm's", "SSIM", ("figure5",), ".*BN"
    ),
    PaperClaim(
        "ASR reduces batch noise: batch mates change pictures less",
        "spread of BN - of BN+ASR",
        ("figure5",),
        "spread .*",
    ),
    PaperClaim(
        "Theorem 6.1: ASR lowers the bound on the growth of noise",
        "log10 of bound, bare - ASR",
        ("theorem",),
        "bound of .*",
    ),
    PaperClaim(
        "Theorem 6.1: ASR lowers the measured growth of noise",
        "log10 of growth, bare - ASR",
        ("theorem",),
        "growth of .*",
    ),
    PaperClaim(
        "constants at inference cost accuracy", "loss, points", ("constants",), "mean loss over .*"
    ),
    PaperClaim(
        "constants cost accuracy after fine-tuning too",
        "loss, points",
        ("constants",),
        "mean loss_fine_tuned over .*",
    ),
    PaperClaim(
        "networks look at the centre", "share of Grad-CAM in the centre - 0.25", ("figure4",)
    ),
    PaperClaim(
        "spatial attention is not a stripe", "eta2 of gates - eta2 of maps", ("figure29",)
    ),
)  # fmt: skip

#: Claims beyond the paper, tested in the same way.
OWN = tuple(
    PaperClaim(words, number, ("depth",), f"{metric} of .*")
    for words, number, metric in (
        ("stripes come with training", "eta2 - eta2 of the untrained network", "eta2_gained"),
        ("a gate alone predicts the class", "accuracy - chance, share", "class_known"),
        ("deeper gates are more striped", "rank correlation", "eta2_by_depth"),
        ("deeper gates predict the class better", "rank correlation", "class_by_depth"),
        ("more striped gates predict the class better", "rank correlation", "eta2_by_class"),
    )
)
