"""The claims of the paper and our own, each with the contrasts of exhibits that test it."""

import re
from dataclasses import dataclass

from stripe.reproduce.paper.exhibits import Contrast


@dataclass(frozen=True)
class Claim:
    """One claim: its test is the mean over contrasts, paired over seeds.

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
    own
        Whether the claim is ours, beyond the paper.
    """

    words: str
    number: str
    parts: tuple[str, ...]
    contrasts: str = ".*"
    own: bool = False

    def tests(self, contrast: Contrast) -> bool:
        """Return whether a contrast tests the claim."""
        return re.fullmatch(self.contrasts, contrast.label) is not None


_POINTS = "accuracy, points"
_STRIPE = "mean eta2 of gates - 0.5"
_SETTLED = "share of settled values - 0.5"
_LESS = "loss of bare - loss with ASR, points"
_WEIGHT_DECAYS = " (weight decay 2e-4 to 4e-4)"


def _stripe(words: str, *figures: int) -> Claim:
    return Claim(
        f"gates are stripes: {words}", _STRIPE, tuple(f"figure{n}" for n in figures), "eta2 of .*"
    )


def _settling(words: str, *figures: int) -> Claim:
    names = tuple(f"figure{number}" for number in figures)
    return Claim(f"gates settle by the first decay: {words}", _SETTLED, names, "settled of .*")


#: In the order of the paper, then our own. Figures with the same numbers are named once.
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
    Claim(
        "more weight decay settles gates sooner",
        "share of settled values - share at weight decay 1e-4",
        ("figure16", "figure17", "figure18"),
        "(?!settled of).*",
    ),
    Claim("attention slows inference", "speed of bare - with attention", ("table1",)),
    Claim("folded ASR is faster than attention", "difference of speeds", ("figure3",)),
    Claim(
        "ASR beats the bare network: ResNets on ImageNet", _POINTS, ("table2",), ".*resnet.*"
    ),
    Claim("ASR beats the bare network: ViT on ImageNet", _POINTS, ("table2",), ".*vit.*"),
    *(
        Claim(f"ASR beats the bare network: {words}", _POINTS, ("table3",), f".* {name} .*")
        for words, name in (
            ("ResNet164", "resnet164"),
            ("VGG19", "vgg19"),
            ("ShuffleNetV2", "shufflenetv2"),
            ("MobileNet", "mobilenet"),
        )
    ),
    Claim("ASR improves networks with attention", _POINTS, ("table4",)),
    Claim("ASR improves RepVGG", _POINTS, ("table5",), ".*repvgg.*"),
    Claim("ASR improves ACNet", _POINTS, ("table5",), ".*acnet.*"),
    Claim("two ASRs beat one", _POINTS, ("table6",)),
    Claim("a learnable psi beats fixed ones", _POINTS, ("table7",)),
    Claim("psi that begins at 0.1 beats higher starts", _POINTS, ("table13",)),
    Claim(
        "ASR with a module beats psi alone",
        _POINTS,
        ("table9",),
        ".* - ASR without attention module",
    ),
    Claim(
        "ASR resists constant noise, in training and evaluation",
        _LESS,
        ("table8",),
        r".*constant\(.*",
    ),
    Claim("ASR resists constant noise in the deep network", _LESS, ("deep-noise",)),
    Claim("ASR resists random noise, in training", _LESS, ("table8",), r".*random\(.*"),
    Claim(
        "ASR reduces batch noise: pictures closer to instance norm's", "SSIM", ("figure5",), ".*BN"
    ),
    Claim(
        "ASR reduces batch noise: batch mates change pictures less",
        "spread of BN - of BN+ASR",
        ("figure5",),
        "spread .*",
    ),
    Claim(
        "Theorem 6.1: ASR lowers the bound on the growth of noise",
        "log10 of bound, bare - ASR",
        ("theorem",),
        "bound of .*",
    ),
    Claim(
        "Theorem 6.1: ASR lowers the measured growth of noise",
        "log10 of growth, bare - ASR",
        ("theorem",),
        "growth of .*",
    ),
    Claim(
        "constants at inference cost accuracy", "loss, points", ("constants",), "mean loss over .*"
    ),
    Claim(
        "constants cost accuracy after fine-tuning too",
        "loss, points",
        ("constants",),
        "mean loss_fine_tuned over .*",
    ),
    Claim(
        "networks look at the centre", "share of Grad-CAM in the centre - 0.25", ("figure4",)
    ),
    Claim(
        "spatial attention is not a stripe", "eta2 of gates - eta2 of maps", ("figure29",)
    ),
    *(
        Claim(words, number, ("depth",), f"{metric} of .*", own=True)
        for words, number, metric in (
            ("stripes come with training", "eta2 - eta2 of the untrained network", "eta2_gained"),
            ("a gate alone predicts the class", "accuracy - chance, share", "class_known"),
            ("deeper gates are more striped", "rank correlation", "eta2_by_depth"),
            ("deeper gates predict the class better", "rank correlation", "class_by_depth"),
            ("more striped gates predict the class better", "rank correlation", "eta2_by_class"),
        )
    ),
)  # fmt: skip
