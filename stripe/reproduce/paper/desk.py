"""The scale `desk`: one night on two CPU cores; docs/desk.md gives the reasons."""

from stripe.reproduce.paper.scale_rules import Rule, Scale

#: Settings of tables that vary one setting of one network. These have shorter training runs.
_VARIED = r"(delta|psi|psi_init)=.*|(constant|random)\(.*|with(out)? ASR"
#: Networks whose images cost two to three times as much as with ResNet20.
_SLOW = "mobilenet|shufflenetv2|repvgg_a0"
_ATTENTION = "SE|IE|SRM|SPA"

_UNTRAINED = (
    "the gates of an untrained ResNet83 hardly react to the image: their eta2 is 0.91 to 1.00"
)
_SLOWER = (
    "every further gate at a place halves the features at first, and three epochs are too few to "
    "make up for it, so the test shows that more gates slow the first epochs"
)
_TIMED = "small tasks ran beside the timings, and the seeds are repetitions on one machine"
_DEPTH = (
    "of the three networks, only SE on clothing alone has an interval that excludes zero. Seeds of "
    "different networks are averaged, although nothing pairs them"
)
#: Limits by the first words of a claim. The first match counts.
_LIMITS = {
    "gates are stripes": f"{_UNTRAINED}. A value above 0.5 does not show that training makes "
    "stripes",
    "gates settle by the first decay: IE": "the gates of IE differ between images by 0.0007 and "
    "change by less than 0.01 in nearly every epoch. The test shows that they hardly change, not "
    "that they settle",
    "gates settle by the first decay: cosine": "a cosine has no decay. Its steps count from the "
    "epoch of the others, and get shorter as the learning rate falls",
    "gates settle by the first decay": "steps count from the first recorded epoch after the share "
    "of the training at which the paper decays, here epoch 1 to 3. Most of the later epochs have a "
    "lower learning rate, which alone makes steps short",
    "attention slows inference": f"{_TIMED}. A measurement at 32 x 32 alone gave a mean loss of 24 "
    "% ([asr.md](asr.md))",
    "folded ASR is faster than attention": _TIMED,
    "ASR improves networks with attention": _SLOWER,
    "two ASRs beat one": _SLOWER,
    "ASR resists constant noise, in training and evaluation": "most of the mean comes from (0.8, "
    "0.8), at which the bare network hardly learns in three epochs: +51.6 points there, against "
    "+5.2 at (0.8, 0.5), +3.6 at (0.5, 0.5) and -2.3 at (0.5, 0.2)",
    "ASR resists constant noise in the deep network": "without noise, the bare network learned "
    "with two of three seeds. The three differences are +11.7, -62.2 and +23.0 points",
    "constants cost accuracy after fine-tuning too": "the frozen network is trained two epochs "
    "longer than the network with attention, so the loss is understated",
    "networks look at the centre": "on fashion-mini, whose garments are centred, the share is 0.31 "
    "to 0.32; on photo-patches, whose pictures have no centre, 0.26 to 0.27. Zero padding also "
    "lowers maps at the border. The test does not tell these causes apart",
    "stripes come with training": f"{_UNTRAINED}. So eta2 can hardly rise",
    "deeper gates predict the class better": "deeper gates have more channels, from which a "
    "classifier has more to learn",
    "deeper gates are more striped": _DEPTH,
    "more striped gates predict the class better": _DEPTH,
}

DESK = Scale(
    name="desk",
    words="ResNet20 and other small networks, 8 epochs of fashion-mini, or of photo-patches in the "
    "place of STL10; 3 epochs of 5,000 images in Tables 4, 6, 7, 8, 13 and 14, and 3 epochs of "
    "MobileNet, ShuffleNetV2 and RepVGG; ResNet83 (6 epochs) and ResNet164 (4) where gates are "
    "recorded",
    seeds=5,
    measured_seeds=3,
    n_images=500,
    rounds=15,
    timed_images=16,
    painting={
        **{"steps": 250, "size": 128, "width": 16, "features": "random:16", "workers": 0},
        **{"style_weight": 2.0, "variation_weight": 0.2, "precision": "fp32"},
    },
    data={
        **dict.fromkeys(("cifar10", "cifar100", "imagenet"), "fashion-mini"),
        "stl10": "photo-patches",
    },
    networks={
        **dict.fromkeys(("resnet83", "resnet164", "resnet34", "resnet50", "resnet101"), "resnet20"),
        **{name: name for name in ("mobilenet", "shufflenetv2", "repvgg_a0")},
        **{
            f"resnet{depth}_{kind}": f"resnet8_{kind}"
            for depth in (56, 110, 164)
            for kind in ("acnet", "basic")
        },
    },
    deep={"resnet83": "resnet83", "resnet164": "resnet164"},
    fields={
        **{"optimizer": "sgd", "lr": 0.1, "weight_decay": 5e-4, "schedule": "cosine"},
        **{"warmup": 0.05, "padding": 2, "batch_size": 32, "epochs": 8, "precision": "bf16"},
    },
    # Rounded to bfloat16, gates that differ by less than 0.002 would be equal.
    watched={"precision": "fp32"},
    rules=(
        # A cosine has no decays; with equal ones, networks of several tables are one run.
        Rule(setting="(?!schedule=steps).*", fields={"decay_at": (0.5, 0.75), "gamma": 0.1}),
        Rule(setting=_VARIED, fields={"epochs": 3, "limit": 5000}),
        Rule(backbone=_SLOW, fields={"epochs": 3}, seeds=3),
        Rule(backbone=_SLOW, dataset="stl10", left_out=True),
        # Gates replaced by constants: on ResNet20 and fashion-mini alone.
        Rule(backbone=_SLOW, method=_ATTENTION, left_out=True),
        Rule(dataset="stl10", method=_ATTENTION, setting="", left_out=True),
        # Where gates are recorded.
        Rule(backbone="resnet83", setting="schedule=.*", fields={"epochs": 6}),
        Rule(backbone="resnet164", setting="schedule=.*", fields={"epochs": 4}),
    ),
    limits=_LIMITS,
)
